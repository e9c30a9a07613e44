import type { WatchedStatus } from "./registry.ts";

type Result = IteratorResult<WatchedStatus, undefined>;

const over: Result = { done: true, value: undefined };

/** One reader of a status: holds the latest that it was not told, and no more, however slow it is. */
export class StatusWatch implements AsyncIterableIterator<WatchedStatus, undefined> {
  readonly #left: (watch: StatusWatch) => void;
  #latest: WatchedStatus | undefined;
  #told: WatchedStatus | undefined;
  #ended = false;
  readonly #waiting: ((result: Result) => void)[] = [];

  /** `left` is called once, when its reader or its owner ends it. */
  constructor(status: WatchedStatus | undefined, left: (watch: StatusWatch) => void) {
    this.#latest = status;
    this.#left = left;
  }

  update(status: WatchedStatus): void {
    if (this.#ended) return;
    this.#latest = status;
    this.#tell();
  }

  /** Nothing follows what it was not told yet. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell();
    this.#left(this);
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#tell();
    });
  }

  /** What it was not told yet is not told any more. */
  return(): Promise<Result> {
    this.#latest = this.#told;
    this.end();
    return Promise.resolve(over);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #tell(): void {
    if (this.#waiting.length > 0 && this.#latest !== undefined && this.#latest !== this.#told) {
      this.#told = this.#latest;
      this.#waiting.shift()?.({ done: false, value: this.#latest });
    }
    if (!this.#ended) return;
    // a change that is left goes to whoever asks next
    if (this.#latest === this.#told) for (const resolve of this.#waiting.splice(0)) resolve(over);
  }
}
