import type { Endpoint } from "../endpoint/endpoint.ts";

/** What a policy sees of a ready connection. */
export interface Candidate {
  readonly endpoint: Endpoint;
  /** RPCs under way on it: counted from the pick until their stream closes. */
  readonly inFlight: number;
}
