import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { exponential, heavyTailed, type Load, Simulation } from "../../test-helpers/simulation.ts";
import { AdaptiveLimit, type AdaptiveLimitSettings } from "./adaptive-limit.ts";

const forever = Number.POSITIVE_INFINITY;
/** 20 workers of 20 ms each: 1 000 RPCs a second at most, with 20 of them at a time. */
const server: Load = { workers: 20, workMs: exponential(20), arrivals: 3_000, deadlineMs: forever };
const knee = 20;

function simulate(load: Partial<Load> = {}, seed = 1): Simulation {
  return new Simulation({ ...server, ...load }, seed);
}

describe("in a simulation, the limit", () => {
  test.each([1, 2, 3])("settles near the knee under an overload, and stays there (seed %d)", (seed) => {
    const simulation = simulate({}, seed);
    simulation.run(15);
    for (let period = 0; period < 4; period++) {
      const { answered, meanMs } = simulation.run(10);
      expect(simulation.limit).toBeGreaterThan(knee);
      expect(simulation.limit).toBeLessThan(knee * 2.5);
      expect(answered).toBeGreaterThan(9_500);
      expect(meanMs).toBeLessThan(50);
    }
  });

  test("rejects next to nothing while the server can do the work", () => {
    const simulation = simulate({ arrivals: 800 });
    simulation.run(15);
    const { answered, rejected } = simulation.run(30);
    expect(rejected / (answered + rejected)).toBeLessThan(0.01);
  });

  test.each([1, 2, 3])("is not led astray by a few RPCs that take very long (seed %d)", (seed) => {
    const simulation = simulate({ workMs: heavyTailed(20) }, seed);
    simulation.run(30);
    const { answered } = simulation.run(30);
    expect(simulation.limit).toBeGreaterThan(knee * 0.8);
    expect(answered).toBeGreaterThan(27_000);
  });

  test("falls with the capacity, and rises with it", () => {
    const simulation = simulate();
    simulation.run(15);
    simulation.load.workers = 60;
    simulation.run(25);
    expect(simulation.limit).toBeGreaterThan(60);
    expect(simulation.run(5).answered).toBeGreaterThan(13_500);
    simulation.load.workers = 10;
    simulation.run(25);
    expect(simulation.limit).toBeLessThan(25);
    expect(simulation.run(5).meanMs).toBeLessThan(60);
  });

  test("recovers after a slow phase", () => {
    const simulation = simulate({ arrivals: 900 });
    simulation.run(20);
    simulation.load.workMs = exponential(200);
    simulation.run(20);
    const slow = simulation.run(10);
    expect(slow.answered).toBeGreaterThan(900); // 100 a second can be done
    simulation.load.workMs = exponential(20);
    simulation.run(10);
    const { answered, rejected, meanMs } = simulation.run(20);
    expect(rejected / (answered + rejected)).toBeLessThan(0.05);
    expect(meanMs).toBeLessThan(40);
  });

  test("learns that RPCs take longer now, and that this is no queue", () => {
    // as when what they wait for has become slow: 300 at a time are needed for the same work
    const simulation = simulate({ workers: 400, workMs: exponential(20), arrivals: 1_500 });
    simulation.run(20);
    simulation.load.workMs = exponential(200);
    simulation.run(40);
    const { answered, rejected } = simulation.run(10);
    expect(rejected / (answered + rejected)).toBeLessThan(0.05);
  });

  test("keeps answers in time where a queue would make all of them late", () => {
    const simulation = simulate({ deadlineMs: 100 });
    simulation.run(15);
    const { answered, dropped } = simulation.run(20);
    expect(answered).toBeGreaterThan(18_000);
    expect(dropped).toBeLessThan(answered * 0.05);
    const unlimited = new Simulation({ ...server, deadlineMs: 100 }, 1, { minLimit: 500, initialLimit: 500 });
    unlimited.run(15);
    expect(unlimited.run(5).answered).toBeLessThan(100);
  });

  test.each([0.2, 0.5, 0.8])(
    "is not led by a client that gives RPCs less time than they take (%d of them)",
    (share) => {
      const arrivals = 1_000;
      const simulation = simulate({ workers: 400, workMs: exponential(50), arrivals });
      simulation.run(10);
      const { clock, limiter } = simulation;
      let denied = 0;
      const arrive = (): void => {
        const place = limiter.tryBegin(true);
        if (place === undefined) denied++;
        else clock.setTimeout(() => place.release("dropped"), 5);
        clock.setTimeout(arrive, (1_000 / arrivals) * (1 / share - 1));
      };
      arrive();
      simulation.run(20);
      denied = 0;
      const { answered, rejected } = simulation.run(20);
      expect(answered).toBeGreaterThan(arrivals * 20 * 0.95);
      expect(rejected - denied).toBeLessThan(arrivals * 20 * 0.05);
    },
  );

  test("falls where nothing is answered, whatever the time that RPCs are given", () => {
    const simulation = simulate({ deadlineMs: 15 });
    simulation.run(15);
    // alone, about half would be done in time; of 20 workers that makes 500 a second
    expect(simulation.run(20).answered).toBeGreaterThan(20 * 200);
  });

  test("does not move while the server has little to do, or nothing", () => {
    const simulation = simulate();
    simulation.run(20);
    simulation.load.arrivals = 50; // one at a time
    simulation.run(1);
    const before = simulation.limit;
    simulation.run(60);
    simulation.load.arrivals = 0.01;
    simulation.run(300);
    expect(simulation.limit).toBe(before);
    simulation.load.arrivals = 3_000;
    simulation.run(100); // until the next one arrives, and some seconds more
    expect(simulation.run(5).answered).toBeGreaterThan(4_700);
  });

  test("holds for slow RPCs as for fast ones", () => {
    const simulation = simulate({ workMs: exponential(2_000), arrivals: 20 });
    simulation.run(600);
    expect(simulation.limit).toBeGreaterThan(knee);
    expect(simulation.limit).toBeLessThan(knee * 3);
  });
});

const settings: Omit<AdaptiveLimitSettings, "clock"> = {
  initialLimit: 20,
  minLimit: 5,
  maxLimit: 100,
  tolerance: 1.5,
  smoothing: 0.2,
  probeIntervalMs: 30_000,
  random: seededRandom(1),
};

/** A limit, and windows of RPCs that all end alike. */
function windows(changed: Partial<AdaptiveLimitSettings> = {}) {
  const clock = new FakeClock();
  const limit = new AdaptiveLimit({ ...settings, clock, ...changed });
  /** `dropped` of a hundred are too late. */
  const window = (rttMs: number, concurrency: number = limit.limit, dropped = 0, rpcs = 100): number => {
    for (let rpc = 0; rpc < rpcs; rpc++) {
      const startedMs = limit.begin();
      clock.tick(rttMs);
      if (rpc % 100 < dropped) limit.drop(startedMs, concurrency);
      else limit.succeed(startedMs, concurrency);
    }
    return limit.limit;
  };
  return { limit, clock, window };
}

describe("the limit", () => {
  test("grows while RPCs take as long as alone, to its maximum", () => {
    const { window } = windows();
    const first = window(10);
    expect(first).toBeGreaterThan(20);
    for (let round = 0; round < 100; round++) window(10);
    expect(window(10)).toBe(100);
  });

  test("falls when they take longer, to its minimum", () => {
    const { window, limit } = windows({ initialLimit: 100 });
    window(10);
    expect(window(40)).toBeLessThan(100);
    const before = limit.limit;
    for (let round = 0; round < 100; round++) window(4_000 * (round + 1));
    expect(limit.limit).toBeLessThan(before);
    expect(limit.limit).toBeGreaterThanOrEqual(5);
  });

  test("takes what is up to tolerance times as long for no queue", () => {
    const { window } = windows({ tolerance: 3 });
    window(10);
    const before = window(10);
    expect(window(29)).toBeGreaterThan(before);
  });

  test("stays where it is while less than half of it is in use", () => {
    const { window } = windows();
    const before = window(10);
    for (let round = 0; round < 10; round++) expect(window(500, Math.floor((before - 1) / 2))).toBe(before);
    expect(window(500, Math.ceil(before / 2))).not.toBe(before);
  });

  test("falls with RPCs that are too late, in proportion", () => {
    const [none, few, most] = [0, 10, 60].map((dropped) => {
      const { window } = windows({ initialLimit: 50 });
      window(10, 50);
      return window(10, 50, dropped, 200);
    }) as [number, number, number];
    expect(few).toBeLessThan(none);
    expect(most).toBeLessThan(few);
    expect(most).toBeLessThan(50);
  });

  test("falls also when all of them are", () => {
    const { window } = windows({ initialLimit: 50 });
    expect(window(10, 50, 100)).toBeLessThan(50);
  });

  test("is not moved by RPCs that are ignored", () => {
    const { limit, clock } = windows();
    for (let rpc = 0; rpc < 1_000; rpc++) {
      const startedMs = limit.begin();
      clock.tick(1_000);
      limit.ignore(startedMs);
    }
    expect(limit.limit).toBe(20);
    expect(limit.rttMs).toBeUndefined();
  });

  test("is learnt anew when RPCs take much less than what was taken for their time alone", () => {
    const { limit, window } = windows();
    window(100);
    for (let round = 0; round < 10; round++) window(10);
    expect(limit.baseMs).toBeLessThan(25);
    const before = limit.limit;
    expect(window(90)).toBeLessThan(before);
  });

  test("at its minimum takes what RPCs take for their time alone", () => {
    const { limit, window } = windows({ initialLimit: 5 });
    window(10);
    for (let round = 0; round < 20; round++) window(100);
    expect(limit.baseMs).toBeGreaterThan(50);
    expect(limit.limit).toBeGreaterThan(5);
  });

  test("bears RPCs that take no time at all", () => {
    const { window } = windows();
    for (let round = 0; round < 5; round++) window(0);
    expect(window(0)).toBeGreaterThan(20);
  });
});

describe("a probe", () => {
  /** Rejects once, and has a window done: the first probe begins. */
  function probing() {
    const all = windows({ initialLimit: 40 });
    expect(all.limit.admits(40)).toBe(false);
    all.window(10, 40, 0, 40);
    return all;
  }

  test("begins only when the limit rejects RPCs", () => {
    const { limit, window } = windows();
    for (let round = 0; round < 10; round++) window(10);
    expect(limit.isProbing).toBe(false);
    expect(probing().limit.isProbing).toBe(true);
  });

  test("lets in a quarter, measures, and gives the limit back", () => {
    const { limit, clock } = probing();
    const { bound } = limit;
    expect(bound).toBe(Math.floor(limit.limit / 4));
    let startedMs: number[] = [];
    for (let round = 0; round < 100 && limit.isProbing; round++) {
      startedMs = [];
      while (limit.admits(startedMs.length)) startedMs.push(limit.begin());
      expect(startedMs).toHaveLength(bound);
      clock.tick(4);
      for (const each of startedMs) limit.succeed(each, bound);
    }
    expect(limit.baseMs).toBeCloseTo(4);
    expect(limit.bound).toBe(limit.limit);
  });

  test.each(["drop", "ignore"] as const)("leaves out the time of RPCs that it is told to %s", (end) => {
    const { limit, clock } = probing();
    for (let round = 0; round < 100 && limit.isProbing; round++) {
      const [left, ...counted] = Array.from({ length: limit.bound }, () => limit.begin()) as [number, ...number[]];
      clock.tick(4);
      for (const startedMs of counted) limit.succeed(startedMs, 10);
      if (limit.isProbing) clock.tick(4);
      if (end === "drop") limit.drop(left, 10);
      else limit.ignore(left);
    }
    expect(limit.baseMs).toBeGreaterThanOrEqual(4);
    expect(limit.baseMs).toBeLessThan(5.2); // those that end together with the last one count in full
  });

  test("gives up when RPCs do not end", () => {
    const { limit, clock } = probing();
    const before = limit.baseMs;
    limit.begin();
    clock.tick(10_000);
    limit.admits(1);
    expect(limit.isProbing).toBe(false);
    expect(limit.baseMs).toBe(before);
  });

  test("does not follow another at once", () => {
    const { limit, clock, window } = probing();
    clock.tick(10_000);
    limit.admits(1_000);
    const intervals: number[] = [];
    let last = clock.now();
    for (let round = 0; round < 10_000 && intervals.length < 8; round++) {
      window(10, limit.limit, 0, Math.max(limit.limit, 30));
      if (!limit.admits(1_000) && limit.isProbing) {
        intervals.push(clock.now() - last);
        clock.tick(10_000); // gives up
        limit.admits(0);
        last = clock.now();
      }
    }
    expect(intervals).toHaveLength(8);
    expect(Math.min(...intervals)).toBeGreaterThan(1_000);
    expect(intervals.at(-1)).toBeGreaterThan(25_000);
  });
});
