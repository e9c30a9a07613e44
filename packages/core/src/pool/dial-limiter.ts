/** Keeps the number of dials under way at or below a limit; the others wait in order. */
export class DialLimiter {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #active = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls `dial` when a place is free, perhaps at once. Returns the function that gives the place, or the wait, up. */
  acquire(dial: () => void): () => void {
    if (this.#active >= this.#limit) {
      this.#waiting.add(dial);
    } else {
      this.#active++;
      dial();
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (this.#waiting.delete(dial)) return;
      this.#active--;
      this.#next();
    };
  }

  #next(): void {
    const [dial] = this.#waiting;
    if (dial === undefined || this.#active >= this.#limit) return;
    this.#waiting.delete(dial);
    this.#active++;
    dial();
  }
}
