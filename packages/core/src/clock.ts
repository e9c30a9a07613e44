/** Where core gets its time from; replaced by a fake one in tests. */
export interface Clock {
  /** Monotonic time in milliseconds from an arbitrary origin. */
  now(): number;
  /** Calls `callback` once after `ms` milliseconds, never before `setTimeout` has returned. */
  setTimeout(callback: () => void, ms: number, options?: TimerOptions): Timer;
}

export interface TimerOptions {
  /**
   * Whether the timer keeps the process alive. Default false: only a timer that a pending RPC waits on may do so.
   */
  readonly ref?: boolean;
}

export interface Timer {
  /** Stops the timer. Nothing happens when it has fired or is cancelled already. */
  cancel(): void;
}

/** The clock of the process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout(callback, ms, options) {
    // node fires at once, with a warning, above the largest 32-bit delay
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    if (options?.ref !== true) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
