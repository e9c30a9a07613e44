import type { Clock, Timer, TimerOptions } from "../src/clock.ts";

/** Stands still until a test moves it. Timers fire in the order of their time, then in the order they were set. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  get pending(): number {
    return this.#timers.length;
  }

  setTimeout(callback: () => void, ms: number, _options?: TimerOptions): Timer {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    this.#timers.sort((a, b) => a.at - b.at);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  tick(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const timer = this.#timers[0];
      if (timer === undefined || timer.at > end) break;
      this.#timers.shift();
      this.#now = timer.at;
      timer.callback();
    }
    this.#now = end;
  }

  /** As `tick`, and then lets promises settle. */
  async advance(ms: number): Promise<void> {
    this.tick(ms);
    for (let turn = 0; turn < 20; turn++) await undefined;
  }
}
