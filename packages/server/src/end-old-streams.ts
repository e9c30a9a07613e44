import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type Clock, systemClock } from "./clock.ts";
import { streamAgeSignal } from "./interceptor.ts";
import { checkNumber, time } from "./options.ts";

/** Trailer of a stream that its server has ended before its time; its value is the reason: `max-age`. */
export const streamEndTrailer = "x-evenkeel-stream-end";

/** Options of `endOldStreams()`. */
export interface EndOldStreamsOptions {
  /**
   * How long a handler may take to end its stream after `streamAgeSignal` has aborted, in milliseconds, from 0 to
   * 2 147 483 647. Default: 5 000.
   */
  readonly graceMs?: number;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
}

/**
 * Connect interceptor that ends server and bidirectional streams `graceMs` after the lifecycle's `maxStreamAgeMs`, with
 * `Unavailable` and the trailer `x-evenkeel-stream-end: max-age`: the client opens it anew, and is balanced anew. Place
 * it behind `lifecycle.interceptor`.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function endOldStreams(options: EndOldStreamsOptions = {}): Interceptor {
  const { graceMs = 5_000, clock = systemClock } = options;
  checkNumber("graceMs", graceMs, time);
  return (next) => async (request) => {
    const response = await next(request);
    const { methodKind } = request.method;
    if (!response.stream || (methodKind !== "server_streaming" && methodKind !== "bidi_streaming")) return response;
    const age = request.contextValues.get(streamAgeSignal);
    return {
      ...response,
      message: cutWhenOld(response.message, age, (callback) => clock.setTimeout(callback, graceMs)),
    };
  };
}

async function* cutWhenOld<T>(
  messages: AsyncIterable<T>,
  age: AbortSignal,
  afterGrace: (callback: () => void) => { cancel(): void },
): AsyncIterable<T> {
  const iterator = messages[Symbol.asyncIterator]();
  let isOver = false;
  /** Ends the wait for the present message. A promise to race with would collect a reaction for every message. */
  let cut: () => void = () => {};
  let grace: { cancel(): void } | undefined;
  const onAge = (): void => {
    grace = afterGrace(() => {
      isOver = true;
      cut();
    });
  };
  if (age.aborted) onAge();
  else age.addEventListener("abort", onAge, { once: true });
  try {
    for (;;) {
      const step = await new Promise<IteratorResult<T> | "cut">((resolve, reject) => {
        cut = () => resolve("cut");
        if (isOver) cut();
        else iterator.next().then(resolve, reject);
      });
      if (step === "cut") throw tooOld();
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    age.removeEventListener("abort", onAge);
    grace?.cancel();
    // a handler that waits for something of its own cannot be made to return before it has that
    iterator.return?.().then(undefined, () => {});
  }
}

function tooOld(): ConnectError {
  return new ConnectError("the stream has reached the server's maximum age: open it anew", Code.Unavailable, {
    [streamEndTrailer]: "max-age",
  });
}
