import type { Clock, Timer, TimerOptions } from "@evenkeel/core";

interface FakeTimer {
  readonly at: number;
  readonly order: number;
  readonly ref: boolean;
  readonly callback: () => void;
}

/** As many timers at one instant as no sane code sets: it is a loop of timers that set themselves again at 0 ms. */
const timersPerInstant = 100_000;

/** How many turns of the microtask queue one timer's consequences may take. */
const microtaskTurns = 32;

/** The longest delay that node's timers take; the system clock cuts longer ones to it. */
const longestDelay = 2 ** 31 - 1;

/**
 * A clock that stands still until a test moves it: `advance` for code that awaits, `tick` for code that does not.
 *
 * Timers fire in the order of their time, those of the same time in the order in which they were set; while one fires,
 * `now()` is the time that it was due. A callback that throws ends the `tick` or `advance` with its error, and leaves
 * the clock at that timer's time.
 */
export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  #moving = false;
  /** By time, then by order. */
  readonly #timers: FakeTimer[] = [];

  /** `startMs`: what `now()` says at first, in milliseconds; default 0. */
  constructor(startMs = 0) {
    if (!Number.isFinite(startMs)) throw new RangeError(`startMs: expected a finite number, got ${startMs}`);
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  /** Throws a `RangeError` when `ms` is not a number; a negative delay counts as 0. */
  setTimeout(callback: () => void, ms: number, options?: TimerOptions): Timer {
    if (Number.isNaN(ms)) throw new RangeError("ms: expected a number of milliseconds, got NaN");
    const timer: FakeTimer = {
      at: this.#now + Math.min(Math.max(ms, 0), longestDelay),
      order: this.#order++,
      ref: options?.ref === true,
      callback,
    };
    this.#timers.splice(this.#indexFor(timer), 0, timer);
    return {
      cancel: () => {
        const index = this.#indexFor(timer);
        if (this.#timers[index] === timer) this.#timers.splice(index, 1);
      },
    };
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Those of `pending` that would keep the process alive. */
  get pendingRef(): number {
    return this.#timers.filter((timer) => timer.ref).length;
  }

  /** Milliseconds until the next timer is due; `undefined` when none is pending. */
  get nextInMs(): number | undefined {
    const next = this.#timers[0];
    return next === undefined ? undefined : next.at - this.#now;
  }

  /**
   * Moves the time by `ms` milliseconds and fires what is due, without giving promises a turn.
   *
   * Throws a `RangeError` for a negative or infinite `ms`, and an `Error` when the clock is already being moved.
   */
  tick(ms: number): void {
    const end = this.#begin(ms);
    try {
      for (const timer of this.#due(end)) timer.callback();
    } finally {
      this.#moving = false;
    }
  }

  /**
   * Moves the time by `ms` milliseconds and fires what is due. Promises settle before the first timer, between timers
   * and after the last one, so that `await clock.advance(0)` is a way to let them.
   *
   * Rejects as `tick` throws.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#begin(ms);
    try {
      await settle();
      for (const timer of this.#due(end)) {
        timer.callback();
        await settle();
      }
    } finally {
      this.#moving = false;
    }
  }

  #begin(ms: number): number {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`ms: expected a finite number of milliseconds >= 0, got ${ms}`);
    }
    if (this.#moving) throw new Error("the fake clock is already being moved: await advance() before the next move");
    this.#moving = true;
    return this.#now + ms;
  }

  /** Takes timers off the queue one by one, also those set in the meantime, and leaves the clock at `end`. */
  *#due(end: number): Generator<FakeTimer> {
    let atThisInstant = 0;
    for (;;) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.at > end) break;
      this.#timers.shift();
      atThisInstant = timer.at > this.#now ? 1 : atThisInstant + 1;
      if (atThisInstant > timersPerInstant) {
        throw new Error(
          `more than ${timersPerInstant} timers fired at ${timer.at} ms: a timer sets itself again at 0 ms`,
        );
      }
      this.#now = timer.at;
      yield timer;
    }
    this.#now = end;
  }

  /** Where `timer` stands, or would stand, among the pending ones. */
  #indexFor(timer: FakeTimer): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      if (other !== undefined && (other.at < timer.at || (other.at === timer.at && other.order < timer.order))) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** Turns of the microtask queue only: a macrotask would let real I/O and real timers into a test of fake time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < microtaskTurns; turn++) await undefined;
}
