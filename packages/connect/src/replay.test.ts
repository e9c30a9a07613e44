import { describe, expect, it } from "vitest";
import { Replay } from "./replay.ts";

async function* numbers(count: number): AsyncGenerator<number> {
  for (let number = 1; number <= count; number++) yield number;
}

async function take<T>(iterable: AsyncIterable<T>, count: number): Promise<T[]> {
  const iterator = iterable[Symbol.asyncIterator]();
  const taken: T[] = [];
  while (taken.length < count) {
    const result = await iterator.next();
    if (result.done === true) break;
    taken.push(result.value);
  }
  return taken;
}

const asItIs = (number: number): number => number;

describe("Replay", () => {
  it("gives every attempt the whole sequence", async () => {
    const replay = new Replay(numbers(4), asItIs);
    expect(await take(replay.replay(), 2)).toEqual([1, 2]);
    expect(await take(replay.replay(), 9)).toEqual([1, 2, 3, 4]);
    expect(await take(replay.replay(), 9)).toEqual([1, 2, 3, 4]);
  });

  it("gives what an earlier attempt waits for to the next attempt", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const replay = new Replay(
      (async function* () {
        yield await promise;
      })(),
      asItIs,
    );
    const left = replay.replay()[Symbol.asyncIterator]();
    const first = left.next();
    await left.return?.();
    const second = take(replay.replay(), 1);
    resolve(7);
    expect(await first).toEqual({ done: true, value: undefined });
    expect(await second).toEqual([7]);
  });

  it("gives several attempts at once the whole sequence, and ends them all when it is closed", async () => {
    const replay = new Replay(numbers(3), asItIs);
    await replay.peek();
    const attempts = [replay.replay(), replay.replay()];
    expect(await Promise.all(attempts.map((attempt) => take(attempt, 9)))).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    replay.close(undefined);
    expect(await take(replay.replay(), 9)).toEqual([]);
  });

  it("keeps nothing after commit, and loses nothing", async () => {
    const replay = new Replay(numbers(5), asItIs);
    await take(replay.replay(), 3);
    const last = replay.replay()[Symbol.asyncIterator]();
    expect(await last.next()).toEqual({ done: false, value: 1 });
    replay.commit();
    expect(replay.isReplayable).toBe(false);
    const rest = [];
    for (let result = await last.next(); result.done !== true; result = await last.next()) rest.push(result.value);
    expect(rest).toEqual([2, 3, 4, 5]);
  });

  it("fails every attempt with the error of its source", async () => {
    const replay = new Replay(
      (async function* () {
        yield 1;
        throw new Error("source failed");
      })(),
      asItIs,
    );
    await expect(take(replay.replay(), 2)).rejects.toThrow("source failed");
    await expect(take(replay.replay(), 2)).rejects.toThrow("source failed");
  });

  it("does not end its source when an attempt gives up", async () => {
    const replay = new Replay(numbers(2), asItIs);
    const first = replay.replay()[Symbol.asyncIterator]();
    await first.return?.();
    expect(await first.next()).toEqual({ done: true, value: undefined });
    const second = replay.replay()[Symbol.asyncIterator]();
    await expect(second.throw?.(new Error("reset"))).rejects.toThrow("reset");
    expect(await take(replay.replay(), 9)).toEqual([1, 2]);
  });
});
