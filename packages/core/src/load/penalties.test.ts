import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, failure, type LoadedCandidate, outcome } from "../../test-helpers/candidates.ts";
import { StatusCode } from "../errors.ts";
import { Penalties, type Penalty } from "./penalties.ts";

interface Harness {
  readonly clock: FakeClock;
  readonly penalties: Penalties;
  readonly set: readonly LoadedCandidate[];
  readonly first: Penalty;
  fail(times?: number): void;
  succeed(times?: number): void;
  /** Time passes; the penalty then. */
  after(ms: number): number;
}

function harness({ weight = 1, inFlight = 0 } = {}): Harness {
  const clock = new FakeClock();
  const penalties = new Penalties(clock);
  const set = candidates(4, [inFlight, inFlight, inFlight, inFlight]);
  const [first] = set;
  const report = (times: number, what: typeof failure): void => {
    for (let each = 0; each < times; each++) penalties.report(first, what, set);
  };
  const penalty = penalties.of(first, weight);
  return {
    clock,
    penalties,
    set,
    first: penalty,
    fail: (times = 1) => report(times, failure),
    succeed: (times = 1) => report(times, outcome()),
    after(ms) {
      clock.tick(ms);
      penalties.update();
      return penalty.value;
    },
  };
}

describe("the penalty of a failure", () => {
  test("is one RPC where all are idle, and over after a second", () => {
    const { first, fail, after, penalties } = harness();
    expect([first.value, penalties.isAny, penalties.isUsed]).toEqual([0, false, false]);
    fail();
    expect([first.value, penalties.isAny, penalties.isUsed]).toEqual([1, true, true]);
    expect(after(900)).toBeGreaterThan(0);
    expect(after(100)).toBe(0);
    expect([penalties.isAny, penalties.isUsed]).toEqual([false, true]);
  });

  test("is half of the average load more, and halves every second", () => {
    const { first, fail, after } = harness({ inFlight: 40 });
    fail();
    expect(first.value).toBe(21);
    expect(after(1_000)).toBeCloseTo(10.5);
    expect(after(2_000)).toBeCloseTo(2.625);
  });

  test("is relative to weight", () => {
    const { first, fail, after } = harness({ inFlight: 40, weight: 0.1 });
    fail();
    expect(first.value).toBeCloseTo(2.1);
    expect(after(5_000)).toBeCloseTo(2.1 / 32);
    expect(after(1_000)).toBe(0); // negligible for that weight
  });

  test("adds up to eight, not more", () => {
    const { first, fail } = harness({ inFlight: 4 });
    fail(3);
    expect(first.value).toBe(9);
    fail(100);
    expect(first.value).toBe(24);
  });

  test("is kept, not cut, when the average load falls", () => {
    const { first, fail, set, clock } = harness({ inFlight: 40 });
    fail(8);
    expect(first.value).toBe(168);
    for (const candidate of set) candidate.inFlight = 0;
    clock.tick(50);
    fail();
    expect(first.value).toBeGreaterThan(160);
  });

  test("ends with a few successes, each an eighth of it", () => {
    const { first, fail, succeed, penalties } = harness({ inFlight: 8 });
    fail();
    succeed();
    expect(first.value).toBe((5 * 7) / 8);
    succeed(17);
    expect(first.value).toBe(0);
    expect(penalties.isAny).toBe(false);
  });
});

describe("the time that a penalty lasts", () => {
  test("doubles with each failure after it, up to 30 s", () => {
    const { fail, after } = harness();
    const seconds: number[] = [];
    for (let failures = 0; failures < 7; failures++) {
      fail();
      let waited = 0;
      while (after(50) > 0) waited += 50;
      seconds.push(Math.round(waited / 1_000));
    }
    expect(seconds).toEqual([1, 2, 4, 8, 16, 30, 30]);
  });

  test("counts failures that come together as one", () => {
    const { fail, after, first } = harness();
    fail(1_000);
    expect(first.value).toBe(8);
    expect(after(1_000)).toBeCloseTo(4);
  });

  test("begins anew after a success", () => {
    const { fail, succeed, after } = harness();
    for (let failures = 0; failures < 4; failures++) {
      fail();
      after(60_000);
    }
    succeed();
    fail();
    expect(after(1_000)).toBe(0);
  });

  test("is twice what the endpoint waited for an RPC, where RPCs are rare, up to five minutes", () => {
    const { fail, after } = harness();
    fail();
    after(1_000);
    after(100_000);
    fail();
    expect(after(199_000)).toBeGreaterThan(0);
    expect(after(2_000)).toBe(0);
    after(3_600_000);
    fail();
    expect(after(299_000)).toBeGreaterThan(0);
    expect(after(1_000)).toBe(0);
  });
});

describe("penalties", () => {
  test("come of what speaks against the endpoint, and go with what it answered", () => {
    const { penalties, set, first } = harness();
    const [candidate] = set;
    if (candidate === undefined) throw new Error("there is none");
    for (const innocent of [
      outcome({ code: StatusCode.unavailable, fate: "unsent" }),
      outcome({ code: StatusCode.canceled, fate: "ambiguous" }),
      outcome({ code: StatusCode.notFound }),
    ]) {
      penalties.report(candidate, innocent, set);
    }
    expect(first.value).toBe(0);
    penalties.report(candidate, outcome({ code: StatusCode.deadlineExceeded, fate: "ambiguous" }), set);
    expect(first.value).toBe(1);
    penalties.report(candidate, outcome({ code: StatusCode.canceled, fate: "ambiguous" }), set);
    expect(first.value).toBe(1);
    penalties.report(candidate, outcome({ code: StatusCode.notFound }), set);
    expect(first.value).toBe(0.875);
  });

  test("do not read the clock while there are none", () => {
    let reads = 0;
    const penalties = new Penalties({ now: () => reads++, setTimeout: () => ({ cancel() {} }) });
    const [candidate] = candidates(1);
    penalties.of(candidate, 1);
    for (let each = 0; each < 10; each++) {
      penalties.update();
      penalties.report(candidate, outcome(), [candidate]);
    }
    expect(reads).toBe(0);
  });

  test("stay with a candidate that leaves and comes back", () => {
    const { penalties, set, fail, first, after } = harness({ inFlight: 10 });
    fail();
    after(500);
    expect(penalties.of(set[0] as LoadedCandidate, 1)).toBe(first);
    expect(first.value).toBeGreaterThan(4);
  });

  test("are never below 0, never above their maximum, and end, whatever happens", () => {
    const random = seededRandom(3);
    const { first, fail, succeed, after, set, penalties } = harness();
    for (let step = 0; step < 20_000; step++) {
      for (const candidate of set) candidate.inFlight = Math.floor(random() * 100);
      const dice = random();
      if (dice < 0.4) fail();
      else if (dice < 0.6) succeed();
      else after(10 ** (4 * random()));
      expect(first.value).toBeGreaterThanOrEqual(0);
      expect(first.value).toBeLessThanOrEqual(8 * 51);
      expect(penalties.isAny).toBe(first.value > 0);
    }
    after(3_600_000);
    expect(first.value).toBe(0);
  });
});
