import type { Clock, Timer } from "@evenkeel/core";

/** A second look, after what arrived while our own event loop was blocked has been read. */
const secondLookMs = 10;

/** Calls back when nothing has been heard for a time. Its timers are milliseconds of the clock. */
export class Silence {
  readonly #clock: Clock;
  #limitMs = 0;
  #onSilence: () => void = () => {};
  #heardAt = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When something was heard last, by the clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  /** From now on, `onSilence` is called once when nothing was heard for `limitMs`. Replaces what was limited before. */
  limit(limitMs: number, onSilence: () => void): void {
    this.#limitMs = limitMs;
    this.#onSilence = onSilence;
    this.heard();
    this.#lookIn(limitMs, false);
  }

  end(): void {
    this.#timer?.cancel();
  }

  #lookIn(ms: number, isSecond: boolean): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimeout(() => {
      const leftMs = this.#heardAt + this.#limitMs - this.#clock.now();
      if (leftMs > 0) this.#lookIn(leftMs, false);
      else if (isSecond) this.#onSilence();
      else this.#lookIn(secondLookMs, true);
    }, ms);
  }
}
