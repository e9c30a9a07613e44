import type { Message } from "@bufbuild/protobuf";
import { leaveWhenCollected } from "./abandonment.ts";
import type { StreamCall } from "./stream-call.ts";

/** The messages of a response, for one reader: an iterable that is its own iterator. Nothing may hold it but readers. */
export class ResponseMessages implements AsyncIterableIterator<Message, undefined> {
  readonly #call: StreamCall;
  #isLeft = false;

  constructor(call: StreamCall) {
    this.#call = call;
    leaveWhenCollected(this, call);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return this.#isLeft ? Promise.resolve({ done: true, value: undefined }) : this.#call.next(this);
  }

  /** Cancels the RPC. */
  return(): Promise<IteratorResult<Message, undefined>> {
    if (!this.#isLeft) {
      this.#isLeft = true;
      this.#call.leave();
    }
    return Promise.resolve({ done: true, value: undefined });
  }
}
