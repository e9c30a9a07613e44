/** Where a lifecycle gets its time from. @evenkeel/core's clocks, and @evenkeel/testing's fake one, fit. */
export interface Clock {
  /** Monotonic time in milliseconds from an arbitrary origin. */
  now(): number;
  /** Calls `callback` once after `ms` milliseconds (0 to 2 147 483 647), never before `setTimeout` has returned. */
  setTimeout(callback: () => void, ms: number, options?: TimerOptions): Timer;
}

export interface TimerOptions {
  /** Whether the timer keeps the process alive. Default: false; only a shutdown that is under way asks for it. */
  readonly ref?: boolean;
}

export interface Timer {
  /** Stops the timer. Nothing happens when it has fired or is cancelled already. */
  cancel(): void;
}

/** Draws uniformly from [0, 1). */
export type Random = () => number;

/** The longest delay node's timers take; a longer one would fire at once. */
export const maxDelayMs: number = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout(callback, ms, options) {
    const timer = setTimeout(callback, ms);
    if (options?.ref !== true) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
