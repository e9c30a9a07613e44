import type { Candidate } from "../load/candidate.ts";
import type { Outcome } from "../outcome/outcome.ts";

/** What a picker may know of an RPC. */
export interface PickInfo {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Keys of the endpoints that it was tried on: they get it again only if no other can take it. */
  readonly avoid?: ReadonlySet<string> | undefined;
  /** The value of a request header, its name in lower case. */
  header?(name: string): string | undefined;
  /** What callers and interceptors attached to it: Connect's `contextValues`. */
  readonly contextValues?: ContextValues | undefined;
  /** The request message, where there is exactly one. */
  readonly message?: unknown;
}

/** The reading side of Connect's `ContextValues`. */
export interface ContextValues {
  get<T>(key: { readonly id: symbol; readonly defaultValue: T }): T;
}

export type PickResult<C extends Candidate> =
  | { readonly kind: "complete"; readonly candidate: C }
  /** Nothing can be said yet: wait for the next picker. */
  | { readonly kind: "queue" }
  /** Fails the RPC, unless it is to wait for a ready connection. */
  | { readonly kind: "fail"; readonly error: Error }
  /** Fails the RPC in any case. */
  | { readonly kind: "drop"; readonly error: Error };

/** Chooses the endpoint of one attempt: at once, from an immutable set of candidates. */
export interface Picker<C extends Candidate> {
  pick(info: PickInfo): PickResult<C>;
  /** What it chooses from at the moment, where that is less than what it was made of. */
  readonly candidates?: readonly C[];
  /** Takes what became of an attempt on `candidate`, which may have left the set, or may never have been this picker's. */
  report?(candidate: C, outcome: Outcome): void;
}
