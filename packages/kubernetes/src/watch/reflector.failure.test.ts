import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { Reflecting, type ReflectingOptions, watching } from "../../test-helpers/reflecting.ts";
import type { AnyRequest } from "../../test-helpers/scripted-service-api.ts";
import { bookmark, slice } from "../../test-helpers/slices.ts";
import { ApiError } from "../api/api-error.ts";
import { malformed } from "../api/checks.ts";

const gone = (): ApiError => new ApiError(410, "too old resource version: 1 (2) (410)");

/** Milliseconds between the requests that were made. */
function gaps(requests: readonly AnyRequest[]): number[] {
  return requests.slice(1).map(({ at }, index) => at - (requests[index]?.at ?? 0));
}

/** A reflector whose requests all fail. */
function failing(error: () => Error, options: ReflectingOptions<never> = {}): Reflecting {
  const reflecting = new Reflecting(options);
  reflecting.api.onRequest = (request) => request.fail(error());
  return reflecting;
}

describe("a reflector whose requests fail", () => {
  test("tells why, and asks again after 200 ms, 400 ms … at most 30 s", async () => {
    const reflecting = failing(() => new Error("connect ECONNREFUSED"));
    await reflecting.clock.advance(200_000);
    expect(gaps(reflecting.api.lists).slice(0, 11)).toEqual([
      200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000,
    ]);
    expect(reflecting.log[0]).toBe("connect ECONNREFUSED");
    expect(reflecting.told).toHaveLength(reflecting.api.lists.length);
  });

  test("spreads its pauses by ±50 %", async () => {
    const firsts: number[] = [];
    const longest: number[] = [];
    for (let seed = 0; seed < 100; seed++) {
      const reflecting = failing(() => new Error("no"), { random: seededRandom(seed) });
      await reflecting.clock.advance(200_000);
      const [first = 0, , , , , , , , ...rest] = gaps(reflecting.api.lists);
      firsts.push(first);
      longest.push(...rest);
      reflecting.reflector.close();
    }
    for (const [delays, ms] of [
      [firsts, 200],
      [longest, 30_000],
    ] as const) {
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(0.5 * ms);
      expect(Math.min(...delays)).toBeLessThan(0.55 * ms);
      expect(Math.max(...delays)).toBeLessThan(1.5 * ms);
      expect(Math.max(...delays)).toBeGreaterThan(1.45 * ms);
    }
  });

  test("goes on from the last version when a watch breaks, and says when it is over", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.watch.send(bookmark("15"));
    reflecting.watch.fail(new Error("read ECONNRESET"));
    await reflecting.clock.advance(200);
    expect(reflecting.api.log).toEqual(["list", "watch 10", "watch 15"]);
    expect(reflecting.log).toEqual(["[a]", "read ECONNRESET"]);
    reflecting.watch.open();
    expect(reflecting.log).toEqual(["[a]", "read ECONNRESET", "[a]"]);
    // once
    await reflecting.clock.advance(2_000);
    reflecting.watch.end();
    await reflecting.clock.advance(0);
    reflecting.watch.open();
    expect(reflecting.told).toHaveLength(3);
  });

  test("begins with short pauses again once a watch was open for a second", async () => {
    const reflecting = await watching();
    const breakAfter = async (ms: number): Promise<number> => {
      reflecting.watch.open();
      await reflecting.clock.advance(ms);
      const before = reflecting.clock.now();
      reflecting.watch.fail(new Error("lost"));
      const { length } = reflecting.api.watches;
      while (reflecting.api.watches.length === length) await reflecting.clock.advance(10);
      return reflecting.clock.now() - before;
    };
    expect(await breakAfter(999)).toBe(200);
    expect(await breakAfter(999)).toBe(400);
    expect(await breakAfter(999)).toBe(800);
    expect(await breakAfter(1_000)).toBe(200);
    expect(await breakAfter(999)).toBe(400);
  });

  test("takes a list that works for no proof: it is the watch that keeps failing", async () => {
    const reflecting = new Reflecting();
    reflecting.api.onRequest = (request) => {
      if (request.kind === "list") request.slices("10");
      else request.fail(new ApiError(403, "forbidden (403)"));
    };
    await reflecting.clock.advance(300_000);
    expect(Math.max(...gaps(reflecting.api.watches))).toBe(30_000);
    expect(reflecting.api.requests.length).toBeLessThan(50);
  });

  test("lists where it may not watch: the set is late, but true", async () => {
    const reflecting = new Reflecting();
    let version = 0;
    reflecting.api.onRequest = (request) => {
      if (request.kind === "list") request.slices(`${++version}`, [slice(`at-${version}`)]);
      else request.fail(new ApiError(403, "forbidden (403)"));
    };
    await reflecting.clock.advance(120_000);
    expect(reflecting.log.slice(0, 4)).toEqual(["[at-1]", "forbidden (403)", "[at-2]", "forbidden (403)"]);
  });

  test("takes the end of a watch within its first second for a failure", async () => {
    const reflecting = await watching();
    await reflecting.clock.advance(999);
    reflecting.watch.end();
    await reflecting.clock.advance(0);
    expect(reflecting.log).toEqual(["[]", "the API server ended the watch at once"]);
    await reflecting.clock.advance(199);
    expect(reflecting.api.watches).toHaveLength(1);
    await reflecting.clock.advance(1);
    expect(reflecting.api.log).toEqual(["list", "watch 10", "watch 10"]);
  });

  test("does not spin when every watch is ended at once, whether it was opened or not", async () => {
    for (const opens of [true, false]) {
      const reflecting = new Reflecting();
      reflecting.api.onRequest = (request) => {
        if (request.kind === "list") request.slices("10");
        if (request.kind !== "watch") return;
        if (opens) request.open();
        request.end();
      };
      await reflecting.clock.advance(600_000);
      expect(reflecting.api.watches.length).toBeLessThan(40);
      expect(reflecting.api.lists).toHaveLength(1);
    }
  });

  test("tells of what is thrown that is no error", async () => {
    const reflecting = failing(() => "nothing to say" as unknown as Error);
    await reflecting.clock.advance(0);
    expect(reflecting.log).toEqual(["nothing to say"]);
  });

  test("waits as long as the server asks, and up to half as long again", async () => {
    for (const [random, waitsMs] of [
      [() => 0, 7_000],
      [() => 0.5, 8_750],
      [() => 1 - 2 ** -32, 10_500],
    ] as const) {
      const reflecting = failing(() => new ApiError(429, "too many requests (429)", 7_000), { random });
      await reflecting.clock.advance(waitsMs - 1);
      expect(reflecting.api.lists).toHaveLength(1);
      await reflecting.clock.advance(1);
      expect(reflecting.api.lists).toHaveLength(2);
    }
  });

  test("waits longer than it is asked to where failures go on", async () => {
    const reflecting = failing(() => new ApiError(429, "too many requests (429)", 1_000));
    await reflecting.clock.advance(300_000);
    expect(gaps(reflecting.api.lists).at(-1)).toBe(30_000);
  });
});

test("a watch with something that cannot be read is followed by a list: it would come again", async () => {
  const reflecting = await watching([slice("a")]);
  reflecting.watch.fail(malformed("event of a watch", "?"));
  await reflecting.clock.advance(1_000);
  expect(reflecting.api.log).toEqual(["list", "watch 10", "list"]);
});

describe("a version that the server has forgotten", () => {
  test("is followed by a list, whether the watch is refused or told so later", async () => {
    for (const isTold of [false, true]) {
      const reflecting = await watching([slice("a"), slice("b")]);
      if (isTold) await reflecting.clock.advance(60_000);
      const at = reflecting.clock.now();
      reflecting.watch.fail(gone());
      await reflecting.clock.advance(2_000);
      expect(reflecting.api.log).toEqual(["list", "watch 10", "list"]);
      expect(reflecting.list.at - at).toBe(1_000);
      reflecting.list.slices("77", [slice("c")]);
      await reflecting.clock.advance(0);
      // it is everyday life: API servers that start anew have forgotten everything
      expect(reflecting.log).toEqual(["[a b]", "[c]"]);
      expect(reflecting.watch.version).toBe("77");
    }
  });

  test("is listed by clients of one server over 2 s, not all at once", async () => {
    const delays: number[] = [];
    for (let seed = 0; seed < 100; seed++) {
      const reflecting = await watching([], { random: seededRandom(seed) });
      reflecting.watch.fail(gone());
      await reflecting.clock.advance(2_000);
      delays.push(reflecting.list.at);
      reflecting.reflector.close();
    }
    expect(Math.min(...delays)).toBeLessThan(100);
    expect(Math.max(...delays)).toBeGreaterThan(1_900);
    expect(delays.filter((delay) => delay < 1_000).length).toBeGreaterThan(35);
    expect(delays.filter((delay) => delay >= 1_000).length).toBeGreaterThan(35);
  });

  test("time and again makes a few lists, not a storm, and is told: whether watches open first or not", async () => {
    for (const opens of [true, false]) {
      const reflecting = new Reflecting({ random: seededRandom(1) });
      reflecting.api.onRequest = (request) => {
        if (request.kind === "list") request.slices("10", [slice("a")]);
        if (request.kind !== "watch") return;
        if (opens) request.open();
        request.fail(gone());
      };
      await reflecting.clock.advance(600_000);
      expect(reflecting.api.lists.length).toBeLessThan(60);
      expect(reflecting.api.lists.length).toBeGreaterThan(30);
      expect(reflecting.log.filter((told) => told === gone().message).length).toBeGreaterThan(30);
    }
  });

  test("makes no storm either when other failures come between", async () => {
    const reflecting = new Reflecting({ random: seededRandom(1) });
    let watches = 0;
    reflecting.api.onRequest = (request) => {
      if (request.kind === "list") request.slices("10", [slice("a")]);
      else request.fail(++watches % 2 === 0 ? gone() : new ApiError(503, "overloaded (503)"));
    };
    await reflecting.clock.advance(600_000);
    expect(reflecting.api.lists.length).toBeLessThan(40);
  });

  test("begins with short pauses again once a watch was open for half a minute", async () => {
    const reflecting = await watching();
    for (let round = 0; round < 4; round++) {
      await reflecting.clock.advance(30_000);
      const at = reflecting.clock.now();
      reflecting.watch.fail(gone());
      await reflecting.clock.advance(1_000);
      expect(reflecting.list.at - at).toBe(1_000);
      reflecting.list.slices(`${20 + round}`);
      await reflecting.clock.advance(0);
      reflecting.watch.open();
    }
    expect(reflecting.log).toEqual(["[]", "[]", "[]", "[]", "[]"]);
  });

  test("of a list is followed by a list, too", async () => {
    const reflecting = failing(gone);
    await reflecting.clock.advance(600_000);
    expect(reflecting.api.lists.length).toBeLessThan(60);
    expect(new Set(reflecting.api.log)).toEqual(new Set(["list"]));
  });
});
