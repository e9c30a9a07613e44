export const windowMs = 1_000;

/** Counts what happened in the last second. Times in milliseconds, each no earlier than the one before. */
export class RateWindow {
  #times: number[] = [];
  /** Where the window begins in `#times`. */
  #start = 0;

  add(at: number): void {
    this.#times.push(at);
  }

  /** How many there were in the second up to `now`. */
  count(now: number): number {
    while ((this.#times[this.#start] ?? now) <= now - windowMs) this.#start++;
    if (this.#start > 1_000 && this.#start > this.#times.length / 2) {
      this.#times = this.#times.slice(this.#start);
      this.#start = 0;
    }
    return this.#times.length - this.#start;
  }
}
