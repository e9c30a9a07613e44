import type { Timers } from "../timers.ts";

/**
 * The revisions of a cluster's storage: one sequence for all that is stored, as etcd's. It moves on with everything that
 * is written in the cluster, hence also between two changes of what one looks at.
 */
export class Revisions {
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();
  #current = 1;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get current(): number {
    return this.#current;
  }

  next(): number {
    this.#current++;
    for (const look of [...this.#waiting]) look();
    return this.#current;
  }

  /** Whether `revision` is reached within `ms` milliseconds. */
  reached(revision: number, ms: number): Promise<boolean> {
    if (this.#current >= revision) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const finish = (reached: boolean): void => {
      this.#waiting.delete(look);
      forget();
      resolve(reached);
    };
    const look = (): void => {
      if (this.#current >= revision) finish(true);
    };
    const forget = this.#timers.after(ms, () => finish(false));
    this.#waiting.add(look);
    return promise;
  }
}
