import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";

/** The messages of a request as interceptors see them: whole messages of what their caller gives in part. */
export class NormalizedMessages<I extends DescMessage> implements AsyncIterable<MessageShape<I>> {
  readonly #desc: I;
  readonly #source: AsyncIterable<MessageInitShape<I>>;
  #iterator: AsyncIterator<MessageInitShape<I>> | undefined;

  constructor(desc: I, source: AsyncIterable<MessageInitShape<I>>) {
    this.#desc = desc;
    this.#source = source;
  }

  [Symbol.asyncIterator](): AsyncIterator<MessageShape<I>> {
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    const whole = (result: IteratorResult<MessageInitShape<I>>): IteratorResult<MessageShape<I>> =>
      result.done === true ? result : { done: false, value: create(this.#desc, result.value) };
    return {
      next: async () => whole(await iterator.next()),
      return: async (value: unknown) => whole((await iterator.return?.(value)) ?? { done: true, value }),
      throw: async (error: unknown) => {
        if (iterator.throw === undefined) throw error;
        return whole(await iterator.throw(error));
      },
    };
  }

  /** Nothing is read any more: tells the source, also where an interceptor stands in between, or has not asked it. */
  close(error: Error | undefined): void {
    const ignore = (): void => {};
    try {
      const iterator = this.#iterator ?? this.#source[Symbol.asyncIterator]();
      if (error !== undefined) iterator.throw?.(error).catch(ignore);
      iterator.return?.().catch(ignore);
    } catch {}
  }
}
