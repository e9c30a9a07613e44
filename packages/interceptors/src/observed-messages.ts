/** Is told what comes of the messages of a stream. */
export interface MessagesObserver {
  /** A message came. */
  message?(): void;
  /** Called once: `error` is `undefined` after the last message, and when the reader left. */
  end(error: unknown, isComplete: boolean): void;
  /** What the reader gets for an error. Default: that. */
  translate?(error: unknown): unknown;
}

/**
 * The same messages, with an observer. No generator: one whose reader leaves before the first message would never
 * notice.
 */
export function observeMessages<T>(messages: AsyncIterable<T>, observer: MessagesObserver): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => new ObservedMessages(messages[Symbol.asyncIterator](), observer) };
}

class ObservedMessages<T> implements AsyncIterator<T> {
  readonly #inner: AsyncIterator<T>;
  readonly #observer: MessagesObserver;
  #isOver = false;

  constructor(inner: AsyncIterator<T>, observer: MessagesObserver) {
    this.#inner = inner;
    this.#observer = observer;
  }

  next(): Promise<IteratorResult<T>> {
    return this.#settle(() => this.#inner.next());
  }

  async return(value?: unknown): Promise<IteratorResult<T>> {
    this.#end(undefined, false);
    return (await this.#inner.return?.(value)) ?? { done: true, value };
  }

  async throw(error?: unknown): Promise<IteratorResult<T>> {
    if (this.#inner.throw !== undefined) return this.#settle(() => this.#inner.throw?.(error));
    this.#end(error, false);
    await this.#inner.return?.();
    throw error;
  }

  async #settle(step: () => Promise<IteratorResult<T>> | undefined): Promise<IteratorResult<T>> {
    try {
      const result = (await step()) as IteratorResult<T>;
      if (result.done === true) this.#end(undefined, true);
      else this.#observer.message?.();
      return result;
    } catch (error) {
      this.#end(error, false);
      throw this.#observer.translate === undefined ? error : this.#observer.translate(error);
    }
  }

  #end(error: unknown, isComplete: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#observer.end(error, isComplete);
  }
}
