import type { Clock, Timer, TimerOptions } from "../clock.ts";

/**
 * Calls back after one further poll of the event loop: a timer that fired may only mean that our own loop was blocked,
 * and what has arrived by then is to be read first.
 */
export function afterPoll(callback: () => void): Timer {
  let cancelled = false;
  // an immediate runs behind the poll of this turn, and the second one behind that of the next
  setImmediate(() =>
    setImmediate(() => {
      if (!cancelled) callback();
    }),
  );
  return {
    cancel() {
      cancelled = true;
    },
  };
}

/** `clock.setTimeout()` for a timeout that ends something: it calls back after a further poll. */
export function setTimeoutAfterPoll(clock: Clock, callback: () => void, ms: number, options?: TimerOptions): Timer {
  let waiting = clock.setTimeout(
    () => {
      waiting = afterPoll(callback);
    },
    ms,
    options,
  );
  return { cancel: () => waiting.cancel() };
}
