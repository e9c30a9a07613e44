/**
 * The messages of a request, so that a further attempt can send them again from the first. They are encoded as soon as
 * they are read: whoever made one may change it then, and send it again.
 */
export class Replay<S, T> {
  readonly #messages: AsyncIterable<S>;
  readonly #encode: (message: S) => T | Promise<T>;
  /** Made when it is first needed. */
  #iterator: AsyncIterator<S> | undefined;
  /** What was read from the source; after `commit` only what the last attempt has not sent yet. */
  #kept: T[] = [];
  #committed = false;
  #pending: Promise<void> | undefined;
  #end: { readonly error?: unknown } | undefined;
  #isDone = false;
  #isClosed = false;

  constructor(messages: AsyncIterable<S>, encode: (message: S) => T | Promise<T>) {
    this.#messages = messages;
    this.#encode = encode;
  }

  /** Whether a further attempt can still send all of it. */
  get isReplayable(): boolean {
    return !this.#committed;
  }

  /** Whether the source has ended. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Reads the first message, if it is not read yet. Rejects with the error of the source. */
  async peek(): Promise<void> {
    if (this.#kept.length === 0 && this.#end === undefined) {
      this.#pending ??= this.#read();
      await this.#pending;
    }
    if (this.#end !== undefined && "error" in this.#end) throw this.#end.error;
  }

  /** No further attempt follows, and one alone goes on: what is sent is not kept. */
  commit(): void {
    this.#committed = true;
  }

  /** Nothing is read any more: tells the source, with `error` if there is one. */
  close(error: Error | undefined): void {
    this.#isClosed = true;
    if (this.#isDone) return;
    // what becomes of it is the source's own matter
    const ignore = (): void => {};
    try {
      const source = this.#source;
      if (error !== undefined) source.throw?.(error).catch(ignore);
      source.return?.().catch(ignore);
    } catch {}
  }

  get #source(): AsyncIterator<S> {
    this.#iterator ??= this.#messages[Symbol.asyncIterator]();
    return this.#iterator;
  }

  /** Nothing has to be kept, and nothing is: the source is read as it stands. */
  get #isDirect(): boolean {
    return this.#committed && this.#pending === undefined && this.#end === undefined;
  }

  /** The whole sequence, for one attempt, until that leaves it by `return`. */
  replay(): AsyncIterable<T> {
    let position = 0;
    let givenUp = false;
    const giveUp = (): IteratorResult<T> => {
      givenUp = true;
      return { done: true, value: undefined };
    };
    const next = (): Promise<IteratorResult<T>> => {
      const isDirect = this.#isDirect && !givenUp && !this.#isClosed && position === this.#kept.length;
      if (!isDirect) return nextKept();
      this.#kept = [];
      position = 0;
      return this.#next();
    };
    const nextKept = async (): Promise<IteratorResult<T>> => {
      for (;;) {
        if (givenUp || this.#isClosed) return giveUp();
        if (position < this.#kept.length) return { done: false, value: this.#kept[position++] as T };
        if (this.#committed) {
          this.#kept = [];
          position = 0;
        }
        if (this.#end !== undefined) {
          if ("error" in this.#end) throw this.#end.error;
          return { done: true, value: undefined };
        }
        // what an earlier attempt still waits for is this attempt's next, too
        this.#pending ??= this.#read();
        await this.#pending;
      }
    };
    // the source outlives an attempt: neither of these reaches it
    const iterator: AsyncIterator<T> = {
      next,
      return: async () => giveUp(),
      throw: async (error) => {
        giveUp();
        throw error;
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  async #next(): Promise<IteratorResult<T>> {
    let result: IteratorResult<S>;
    try {
      result = await this.#source.next();
    } catch (error) {
      this.#isDone = true;
      throw error;
    }
    this.#isDone = result.done === true;
    if (result.done === true) return { done: true, value: undefined };
    const encoded = this.#encode(result.value);
    return { done: false, value: encoded instanceof Promise ? await encoded : encoded };
  }

  async #read(): Promise<void> {
    try {
      const result = await this.#next();
      if (result.done === true) this.#end = {};
      else this.#kept.push(result.value);
    } catch (error) {
      this.#end = { error };
    }
    this.#pending = undefined;
  }
}
