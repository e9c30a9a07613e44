import { AsyncLocalStorage } from "node:async_hooks";

/** The RPC that a server works on. */
export interface IncomingCall {
  /** By the clock of its `deadline()`; `Infinity` without a deadline. */
  readonly deadlineMs: number;
  /** Aborts when the client cancelled, the deadline passed, or the RPC has ended. */
  readonly signal: AbortSignal;
}

/** Which RPC the running code works for: set by `deadline()`, read by `propagateDeadline()`. */
export const incomingCall: AsyncLocalStorage<IncomingCall | undefined> = new AsyncLocalStorage();

/**
 * Does work that does not belong to the incoming RPC: calls that it makes through `propagateDeadline()` have neither its
 * deadline nor its cancellation. For what a handler leaves running when it returns, and for what it starts for others.
 *
 * @returns what `work` returns.
 */
export function withoutDeadline<T>(work: () => T): T {
  return incomingCall.run(undefined, work);
}
