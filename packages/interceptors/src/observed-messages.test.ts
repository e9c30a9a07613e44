import { describe, expect, test } from "vitest";
import { each } from "../test-helpers/fake-rpc.ts";
import { observeMessages } from "./observed-messages.ts";

/** Observed messages, and what the observer was told. */
function observed<T>(messages: AsyncIterable<T>) {
  const told: unknown[] = [];
  const iterator = observeMessages(messages, {
    message: () => told.push("message"),
    end: (error, isComplete) => told.push([error, isComplete]),
  })[Symbol.asyncIterator]();
  return { told, iterator };
}

async function* failing(): AsyncGenerator<number> {
  yield 1;
  throw new Error("broken");
}

describe("the observer", () => {
  test("is told of messages and of their end, once", async () => {
    const { told, iterator } = observed(each(1, 2));
    const values: unknown[] = [];
    for (let result = await iterator.next(); result.done !== true; result = await iterator.next()) {
      values.push(result.value);
    }
    await iterator.next();
    await iterator.return?.();
    expect(values).toEqual([1, 2]);
    expect(told).toEqual(["message", "message", [undefined, true]]);
  });

  test("is told of a failure", async () => {
    const { told, iterator } = observed(failing());
    await iterator.next();
    await expect(iterator.next()).rejects.toThrow("broken");
    expect(told).toEqual(["message", [expect.objectContaining({ message: "broken" }), false]]);
  });

  test("is told when the reader leaves before the first message, and so is the source", async () => {
    let isLeft = false;
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error("not asked for")),
        return: async () => {
          isLeft = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    const { told, iterator } = observed(source);
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(told).toEqual([[undefined, false]]);
    expect(isLeft).toBe(true);
  });

  test("is told when the reader throws, whether the source catches it or not", async () => {
    const error = new Error("left");
    const left = observed(each(1, 2));
    await left.iterator.next();
    await expect(left.iterator.throw?.(error)).rejects.toBe(error);
    expect(left.told).toEqual(["message", [error, false]]);

    const caught = observed(
      (async function* () {
        try {
          yield 1;
        } catch {
          yield 2;
        }
      })(),
    );
    await caught.iterator.next();
    expect(await caught.iterator.throw?.(error)).toEqual({ done: false, value: 2 });
    expect(caught.told).toEqual(["message", "message"]);
  });

  test("bears a source without return and throw", async () => {
    const bare = (): AsyncIterable<number> => ({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }) }),
    });
    const first = observed(bare());
    expect(await first.iterator.return?.(7)).toEqual({ done: true, value: 7 });
    expect(first.told).toEqual([[undefined, false]]);
    const second = observed(bare());
    const error = new Error("left");
    await expect(second.iterator.throw?.(error)).rejects.toBe(error);
    expect(second.told).toEqual([[error, false]]);
  });

  test("may give the reader another error", async () => {
    const messages = observeMessages(failing(), { end() {}, translate: () => new Error("clearer") });
    await expect(async () => {
      for await (const _ of messages);
    }).rejects.toThrow("clearer");
  });
});
