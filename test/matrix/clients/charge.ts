import type { ClientJob } from "../messages.ts";

/** Makes one charge, and resolves to the key that its response carries. */
export type Charge = (key: number) => Promise<number>;

/** Opens a client of the job's Service. */
export type ClientFactory = (job: ClientJob) => Charge;

/** No charge takes longer, in milliseconds: what hangs is lost, too. */
export const timeoutMs = 5_000;

/**
 * How often a client may look its Service up, in milliseconds. All times of a restart are scaled down here: Kubernetes
 * gives a pod 5 s until endpoints have changed everywhere, and these pods get 0.3 s.
 */
export const lookUpMs = 500;
