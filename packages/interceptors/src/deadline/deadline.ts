import { Code, ConnectError, type ContextKey, type Interceptor } from "@connectrpc/connect";
import { type Clock, checkKeys, clockOption, maxTimerMs, numberOption, systemClock } from "@evenkeel/core";
import { requestTimeoutMs } from "../request-timeout.ts";
import { type IncomingCall, incomingCall } from "./incoming-call.ts";

export interface DeadlineOptions {
  /** Work that has less time left is refused, in milliseconds. From 0. Default 0: work whose time is over. */
  readonly minRemainingMs?: number;
  /** Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
}

/** The deadline that a `deadline()` further out has seen: time spent between the two counts. */
const seenDeadline: ContextKey<number | undefined> = {
  id: Symbol("evenkeel.deadline"),
  defaultValue: undefined,
};

/**
 * For servers: refuses work that nobody waits for any more before its handler is called, and makes the RPC's deadline
 * and cancellation known to the calls that its handler makes, through `propagateDeadline()`.
 *
 * An RPC whose deadline has passed fails with `DeadlineExceeded`, one that its client cancelled with `Canceled`. The
 * deadline counts from the moment when the interceptor is called. Where RPCs wait in another interceptor, give it twice:
 * before that one, to see when they came, and behind it, to refuse what has waited for too long.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function deadline(options: DeadlineOptions = {}): Interceptor {
  checkKeys("deadline", options, ["minRemainingMs", "clock"]);
  const { minRemainingMs = 0, clock = systemClock } = options;
  numberOption("minRemainingMs", minRemainingMs, { min: 0, max: maxTimerMs, unit: "milliseconds" });
  clockOption(clock);
  return (next) => async (request) => {
    const { signal, contextValues } = request;
    const nowMs = clock.now();
    const timeoutMs = requestTimeoutMs(request.header) ?? Number.POSITIVE_INFINITY;
    const deadlineMs = contextValues.get(seenDeadline) ?? nowMs + timeoutMs;
    contextValues.set(seenDeadline, deadlineMs);
    if (signal.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
    const remainingMs = deadlineMs - nowMs;
    if (remainingMs <= 0 || remainingMs < minRemainingMs) throw tooLate(remainingMs, minRemainingMs);
    const call: IncomingCall = { deadlineMs, signal };
    const response = await incomingCall.run(call, () => next(request));
    return response.stream ? { ...response, message: within(call, response.message) } : response;
  };
}

function tooLate(remainingMs: number, minRemainingMs: number): ConnectError {
  const message =
    remainingMs <= 0
      ? "the deadline passed before the work began"
      : `the deadline is in ${Math.ceil(remainingMs)} ms, too soon for work that is given ${minRemainingMs} ms`;
  return new ConnectError(message, Code.DeadlineExceeded);
}

/** A generator runs in the context of whoever asks it for a message, and that is not the handler's. */
function within<T>(call: IncomingCall, messages: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = incomingCall.run(call, () => messages[Symbol.asyncIterator]());
      return {
        next: () => incomingCall.run(call, () => inner.next()),
        return: async (value?: unknown) =>
          (await incomingCall.run(call, () => inner.return?.(value))) ?? { done: true, value },
        throw: async (error?: unknown) => {
          if (inner.throw !== undefined) return incomingCall.run(call, () => inner.throw?.(error)) as Promise<never>;
          await incomingCall.run(call, () => inner.return?.());
          throw error;
        },
      };
    },
  };
}
