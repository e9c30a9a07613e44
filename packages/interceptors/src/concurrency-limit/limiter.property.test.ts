import { type Random, randomInt } from "@evenkeel/core";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  compose,
  each,
  type Handler,
  reader,
  streamRequest,
  streamResponse,
  unaryRequest,
  unaryResponse,
} from "../../test-helpers/fake-rpc.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { concurrencyLimit } from "./concurrency-limit.ts";
import { type Ending, Limiter, type Place } from "./limiter.ts";

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
const endings: readonly Ending[] = ["succeeded", "succeeded", "succeeded", "dropped", "ignored"];

function pick<T>(random: Random, values: readonly T[]): T {
  return values[randomInt(random, values.length)] as T;
}

describe.each(seeds)("whatever happens (seed %d)", (seed) => {
  test("places are counted right, and the limit is within its bounds", () => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const minLimit = 1 + randomInt(random, 10);
    const maxLimit = minLimit + randomInt(random, 50);
    const limit = new AdaptiveLimit({
      initialLimit: minLimit + randomInt(random, maxLimit - minLimit + 1),
      minLimit,
      maxLimit,
      tolerance: 1 + random(),
      smoothing: 0.01 + random() * 0.99,
      probeIntervalMs: 100 + random() * 10_000,
      clock,
      random,
    });
    const limiter = new Limiter(limit);
    const held: Place[] = [];
    const done: Place[] = [];
    let probed = false;
    let limits = new Set<number>();
    for (let step = 0; step < 8_000; step++) {
      // now crowded, now empty
      const isBusy = Math.floor(step / 500) % 2 === 0;
      const action = random();
      if (action < (isBusy ? 0.6 : 0.35)) {
        const { bound } = limit;
        const place = limiter.tryBegin(random() < 0.9);
        // a limit that fell leaves those that have a place alone
        if (place === undefined) expect(held.length >= limit.bound || limit.isProbing).toBe(true);
        else {
          held.push(place);
          expect(held.length).toBeLessThanOrEqual(Math.max(bound, limit.limit));
        }
      } else if (action < 0.95 && held.length > 0) {
        const [place] = held.splice(randomInt(random, held.length), 1) as [Place];
        if (random() < 0.3) place.time(pick(random, endings));
        place.release(pick(random, endings));
        done.push(place);
      } else if (done.length > 0) {
        const place = pick(random, done); // again: an abort after the end, a second end
        place.time(pick(random, endings));
        place.release(pick(random, endings));
      }
      clock.tick(random() < 0.001 ? 60_000 : random() * 20);
      expect(limiter.inFlight).toBe(held.length);
      expect(limit.limit).toBeGreaterThanOrEqual(minLimit);
      expect(limit.limit).toBeLessThanOrEqual(maxLimit);
      expect(limit.bound).toBeLessThanOrEqual(limit.limit);
      expect(limit.bound).toBeGreaterThanOrEqual(1);
      probed ||= limit.isProbing;
      limits = limits.add(limit.limit);
    }
    for (const place of held) place.release("ignored");
    expect(limiter.inFlight).toBe(0);
    expect(limiter.begun).toBe(held.length + done.length);
    if (maxLimit - minLimit > 10) expect({ probed, moved: limits.size > 3 }).toEqual({ probed: true, moved: true });
  });

  test("every RPC that began gives its place back once", async () => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const limit = concurrencyLimit({ streams: true, initialLimit: 6, minLimit: 3, maxLimit: 10, clock, random });
    let running = 0;
    let most = 0;
    const call = compose([limit], ((request) => {
      if (random() < 0.1) throw new Error("at once, and not by a promise");
      running++;
      most = Math.max(most, running);
      return behave(random, clock, request.stream).finally(() => running--);
    }) as Handler);
    const calls: Promise<void>[] = [];
    let rejected = 0;
    for (let round = 0; round < 300; round++) {
      calls.push(
        consume(random, clock, call).catch((error: Error) => {
          if (error.message.includes("RPCs at a time")) rejected++;
        }),
      );
      if (random() < 0.3) await clock.advance(random() * 40);
      expect(limit.snapshot().inFlight).toBeGreaterThanOrEqual(0);
      expect(limit.snapshot().inFlight).toBeLessThanOrEqual(10);
    }
    await clock.advance(10_000);
    await Promise.all(calls);
    const { inFlight, begun } = limit.snapshot();
    expect(inFlight).toBe(0);
    expect(begun).toBeGreaterThan(50);
    expect(rejected).toBeGreaterThan(0);
    expect(most).toBeGreaterThan(1);
  });
});

/** A handler: throws at once, rejects, answers late, or streams and does any of it on the way. */
async function behave(random: Random, clock: FakeClock, isStream: boolean) {
  const fate = random();
  if (fate < 0.15) throw new Error("at once");
  const waitMs = random() * 100;
  if (!isStream) {
    await later(clock, waitMs);
    if (fate < 0.3) throw new Error("later");
    return unaryResponse();
  }
  const count = randomInt(random, 4);
  if (fate < 0.3) return streamResponse({ [Symbol.asyncIterator]: () => bareIterator(count) });
  return streamResponse(
    (async function* () {
      for (let message = 0; message < count; message++) {
        await later(clock, waitMs);
        yield {};
        if (fate < 0.5) throw new Error("in mid-stream");
      }
    })(),
  );
}

/** One that has neither `return` nor `throw`. */
function bareIterator(count: number): AsyncIterator<object> {
  const inner = each(...Array.from({ length: count }, () => ({})));
  return { next: () => inner.next() };
}

/** A caller: reads all, some or none of it, leaves, or aborts before, during or after. */
async function consume(random: Random, clock: FakeClock, call: Handler): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const fate = random();
  if (fate < 0.1) abort.abort();
  else if (fate < 0.35) clock.setTimeout(() => abort.abort(), random() * 150);
  const isStream = random() < 0.6;
  const response = await call(isStream ? streamRequest({ signal }) : unaryRequest({ signal }));
  if (!response.stream) return;
  if (fate > 0.35 && fate < 0.45) {
    abort.abort(); // nobody reads it
    return;
  }
  const messages = reader(response);
  const most = fate < 0.7 ? randomInt(random, 3) : 100;
  for (let message = 0; message < most; message++) if ((await messages.next()).done === true) break;
  if (random() < 0.5) await messages.return?.();
  else await messages.throw?.(new Error("left"));
  if (random() < 0.5) await messages.return?.(); // connect-node does it twice
  abort.abort();
}

function later(clock: FakeClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimeout(resolve, ms);
  });
}
