import type { Candidate } from "../load/candidate.ts";

/** What a picker may know of an RPC. */
export interface PickInfo {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Keys of the endpoints that it was tried on: they get it again only if no other can take it. */
  readonly avoid?: ReadonlySet<string>;
}

export type PickResult<C extends Candidate> =
  | { readonly kind: "complete"; readonly connection: C }
  /** Nothing can be said yet: wait for the next picker. */
  | { readonly kind: "queue" }
  /** Fails the RPC, unless it is to wait for a ready connection. */
  | { readonly kind: "fail"; readonly error: Error }
  /** Fails the RPC in any case. */
  | { readonly kind: "drop"; readonly error: Error };

/** Chooses the connection of one RPC: at once, from an immutable set of candidates. */
export interface Picker<C extends Candidate> {
  pick(info: PickInfo): PickResult<C>;
}
