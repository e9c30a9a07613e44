import type { Address } from "@evenkeel/core";

/**
 * - `starting`: its process runs, and does not accept connections yet.
 * - `ready`: it has accepted a connection.
 * - `frozen`: it was ready, and is stopped by SIGSTOP: connections are accepted by the kernel, and nothing answers.
 * - `terminating`: it was sent SIGTERM, whether it is frozen or not.
 * - `exited`: its process is gone.
 */
export type PodPhase = "starting" | "ready" | "frozen" | "terminating" | "exited";

/** How a pod's process ended. */
export type PodExit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  /** There was none: the program could not be run. */
  | { readonly kind: "notStarted"; readonly error: Error };

/** A pod of a pretend cluster, as it is now. */
export interface Pod {
  /** `<cluster>-<number>`; no other pod of the cluster ever has it. */
  readonly name: string;
  readonly address: Address;
  readonly zone: string | undefined;
  /** Id of its process; `undefined` when the program could not be run. */
  readonly pid: number | undefined;
  readonly phase: PodPhase;
  /** When its process was started, in milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** When it became ready, in milliseconds of `performance.now()`; `undefined` before. */
  readonly readyAt: number | undefined;
  /** How its process ended; `undefined` before. */
  readonly exit: PodExit | undefined;
  /** The end of what it wrote to stdout and stderr: at most 16 384 characters. */
  readonly output: string;
}

/** What happens to a pod. `killed` is a signal that was sent; `exited` follows it, as it follows everything. */
export type PodChange =
  | { readonly kind: "started" }
  | { readonly kind: "ready" }
  | { readonly kind: "frozen" }
  | { readonly kind: "thawed" }
  | { readonly kind: "terminating" }
  | { readonly kind: "killed" }
  | { readonly kind: "exited"; readonly exit: PodExit };

/** What happened to a pod, and when, in milliseconds of `performance.now()`. */
export type ClusterEvent = PodChange & { readonly pod: Pod; readonly at: number };

/** How messages tell the end of a pod: `exited with code 1`, `was ended by SIGKILL`. */
export function describeExit(exit: PodExit): string {
  switch (exit.kind) {
    case "code":
      return `exited with code ${exit.code}`;
    case "signal":
      return `was ended by ${exit.signal}`;
    case "notStarted":
      return `could not be started: ${exit.error.message}`;
  }
}
