/** Conditions that somebody waits for. */
export class Awaited {
  readonly #waiting = new Map<() => boolean, PromiseWithResolvers<void>>();
  #closed = false;

  /** Resolves once `condition` holds, now or at a `look`. Rejects with what it throws, and when it is closed. */
  until(condition: () => boolean): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(() => condition(), waiting);
    this.look();
    if (this.#closed) this.close();
    return waiting.promise;
  }

  look(): void {
    for (const [condition, { resolve, reject }] of [...this.#waiting]) {
      try {
        if (!condition()) continue;
        resolve();
      } catch (error) {
        reject(error);
      }
      this.#waiting.delete(condition);
    }
  }

  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(new Error("the pretend API server is closed"));
    this.#waiting.clear();
  }
}
