import type { Clock, Timer } from "../src/clock.ts";

/** A clock whose timers fire late, as those of a process do whose event loop was blocked. */
export class LateClock implements Clock {
  #now = 0;
  readonly #timers = new Map<Timer, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  get pending(): number {
    return this.#timers.size;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const timer: Timer = { cancel: () => void this.#timers.delete(timer) };
    this.#timers.set(timer, { at: this.#now + ms, callback });
    return timer;
  }

  /** Time passes, and only then fires once what was due in it. */
  block(ms: number): void {
    this.#now += ms;
    for (const [timer, { at, callback }] of [...this.#timers]) {
      if (at <= this.#now && this.#timers.delete(timer)) callback();
    }
  }
}
