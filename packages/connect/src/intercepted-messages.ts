import { leaveWhenCollected } from "./abandonment.ts";
import type { CallScope } from "./call-scope.ts";

/** The messages that interceptors let through, for one reader; their end ends the call. */
export class InterceptedMessages<T> implements AsyncIterableIterator<T> {
  readonly #messages: AsyncIterable<T>;
  readonly #scope: CallScope;
  #iterator: AsyncIterator<T> | undefined;
  #isLeft = false;

  constructor(messages: AsyncIterable<T>, scope: CallScope) {
    this.#messages = messages;
    this.#scope = scope;
    leaveWhenCollected(this, scope);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T>> {
    if (this.#isLeft) return { done: true, value: undefined };
    const { error } = this.#scope;
    if (error !== undefined) throw error;
    try {
      this.#iterator ??= this.#messages[Symbol.asyncIterator]();
      const result = await this.#iterator.next();
      if (result.done === true) this.#scope.close();
      return result;
    } catch (reason) {
      throw this.#scope.fail(reason);
    }
  }

  /** Cancels the RPC. */
  async return(): Promise<IteratorResult<T>> {
    if (!this.#isLeft) {
      this.#isLeft = true;
      this.#scope.leave();
      await this.#iterator?.return?.().catch(() => {});
    }
    return { done: true, value: undefined };
  }
}
