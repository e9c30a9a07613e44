import type { Endpoint } from "../endpoint/endpoint.ts";

/** What a policy chooses from: an endpoint with a ready connection. It stays the same object while its endpoint stays. */
export interface Candidate {
  readonly endpoint: Endpoint;
  /** RPCs under way on it: counted from the pick until their stream closes. */
  readonly inFlight: number;
}
