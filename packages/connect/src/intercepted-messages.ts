import type { CallScope } from "./call-scope.ts";
import { leftError } from "./errors.ts";

/** Ends the calls of those who went away without a word. */
const abandoned = new FinalizationRegistry<CallScope>((scope) => scope.abort(leftError()));

/** The messages that interceptors let through, for one reader; their end ends the call. */
export class InterceptedMessages<T> implements AsyncIterableIterator<T> {
  readonly #messages: AsyncIterable<T>;
  readonly #scope: CallScope;
  #iterator: AsyncIterator<T> | undefined;
  #isLeft = false;

  constructor(messages: AsyncIterable<T>, scope: CallScope) {
    this.#messages = messages;
    this.#scope = scope;
    abandoned.register(this, scope);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#isLeft) return Promise.resolve({ done: true, value: undefined });
    const { error } = this.#scope;
    if (error !== undefined) return Promise.reject(error);
    this.#iterator ??= this.#messages[Symbol.asyncIterator]();
    return this.#iterator.next().then(
      (result) => {
        if (result.done === true) this.#scope.close();
        return result;
      },
      (reason: unknown) => {
        throw this.#scope.fail(reason);
      },
    );
  }

  /** Cancels the RPC. */
  async return(): Promise<IteratorResult<T>> {
    if (!this.#isLeft) {
      this.#isLeft = true;
      this.#scope.abort(leftError());
      await this.#iterator?.return?.().catch(() => {});
    }
    return { done: true, value: undefined };
  }
}
