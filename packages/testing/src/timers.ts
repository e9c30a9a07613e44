/** Timeouts that end together. */
export class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();

  /** How many have neither fired nor been forgotten. */
  get size(): number {
    return this.#timers.size;
  }

  /** Calls `action` after `ms` milliseconds, of which node's timers take no more than 2^31 - 1. Returns what forgets it. */
  after(ms: number, action: () => void): () => void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        action();
      },
      Math.min(ms, 2 ** 31 - 1),
    );
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      clearTimeout(timer);
    };
  }

  /** Forgets all of them. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
