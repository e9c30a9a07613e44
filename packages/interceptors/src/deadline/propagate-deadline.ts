import type { Interceptor } from "@connectrpc/connect";
import { type Clock, checkKeys, clockOption, maxTimerMs, numberOption, systemClock } from "@evenkeel/core";
import { requestTimeoutMs, setRequestTimeout } from "../request-timeout.ts";
import { incomingCall } from "./incoming-call.ts";
import { OutgoingCall } from "./outgoing-call.ts";

export interface PropagateDeadlineOptions {
  /**
   * How much earlier than the incoming RPC's deadline an outgoing call's is, in milliseconds, so that there is time to
   * make an answer of its failure. From 0. Default 0.
   */
  readonly marginMs?: number;
  /** That of `deadline()`. Default: the system's. */
  readonly clock?: Clock;
}

/**
 * For clients inside servers: a call that a handler makes ends no later than the incoming RPC that it is made for, of
 * which `deadline()` tells. Its deadline is its own or the incoming one's less `marginMs`, whichever is earlier: the
 * server is told so, and the call fails with `DeadlineExceeded` then. When the incoming RPC is cancelled, the call is,
 * with `Canceled`. Calls made outside of an incoming RPC, and within `withoutDeadline()`, are left as they are.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function propagateDeadline(options: PropagateDeadlineOptions = {}): Interceptor {
  checkKeys("propagateDeadline", options, ["marginMs", "clock"]);
  const { marginMs = 0, clock = systemClock } = options;
  numberOption("marginMs", marginMs, { min: 0, max: maxTimerMs, unit: "milliseconds" });
  if (typeof clockOption(clock).setTimeout !== "function") {
    throw new TypeError("clock: expected a clock with setTimeout, too");
  }
  return (next) => async (request) => {
    const incoming = incomingCall.getStore();
    if (incoming === undefined) return next(request);
    const remainingMs = incoming.deadlineMs - marginMs - clock.now();
    const isEarlier = remainingMs < (requestTimeoutMs(request.header) ?? Number.POSITIVE_INFINITY);
    const outgoing = new OutgoingCall(incoming, request.signal);
    try {
      outgoing.begin(clock, isEarlier ? remainingMs : undefined);
      if (isEarlier) setRequestTimeout(request.header, remainingMs);
      const response = await next({ ...request, signal: outgoing.signal });
      if (response.stream) return { ...response, message: outgoing.read(response.message) };
      outgoing.succeed();
      return response;
    } catch (error) {
      throw outgoing.fail(error);
    }
  };
}
