/** Keeps the number of dials under way at or below a limit; the others wait in order. */
export class DialLimiter {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #active = 0;
  #holds = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls `dial` when a place is free, perhaps at once. Returns the function that gives the place, or the wait, up. */
  acquire(dial: () => void): () => void {
    this.#waiting.add(dial);
    this.#handOut();
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (this.#waiting.delete(dial)) return;
      this.#active--;
      this.#handOut();
    };
  }

  /** Hands out no place while `change` runs, so that none goes to a dial that `change` is about to give up. */
  hold(change: () => void): void {
    this.#holds++;
    try {
      change();
    } finally {
      this.#holds--;
      this.#handOut();
    }
  }

  #handOut(): void {
    for (const dial of this.#waiting) {
      if (this.#holds > 0 || this.#active >= this.#limit) return;
      this.#waiting.delete(dial);
      this.#active++;
      dial();
    }
  }
}
