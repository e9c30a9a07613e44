import type { Clock } from "@evenkeel/core";

/** A wait that can be cut short. */
export class Pause {
  /** Resolves when the pause is over. */
  readonly over: Promise<void>;
  readonly #end: () => void;

  constructor(clock: Clock, ms: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimeout(resolve, ms);
    this.over = promise;
    this.#end = () => {
      timer.cancel();
      resolve();
    };
  }

  end(): void {
    this.#end();
  }
}
