import { describe, expect, test } from "vitest";
import { StatusCode } from "../errors.ts";
import type { Outcome } from "../outcome/outcome.ts";
import { LocalityLoad } from "./locality-load.ts";

function success(ms: number): Outcome {
  return { code: StatusCode.ok, fate: "answered", firstByteMs: ms, durationMs: ms };
}

const failure: Outcome = { ...success(1), code: StatusCode.unavailable };

/** Reports `count` outcomes of each side every second. Returns the share after each. */
function run(load: LocalityLoad, seconds: number, local: Outcome, others: Outcome, count = 20, from = 1): number[] {
  return Array.from({ length: seconds }, (_, second) => {
    for (let index = 0; index < count; index++) {
      load.report(true, local, (from + second) * 1_000);
      load.report(false, others, (from + second) * 1_000);
    }
    return load.share;
  });
}

describe("the share that stays local", () => {
  test("is everything while local endpoints are no slower than allowed", () => {
    for (const ms of [1, 10, 12.4]) expect(run(new LocalityLoad(1.25, 0), 20, success(ms), success(10)).at(-1)).toBe(1);
  });

  test("falls with the excess, and not at once", () => {
    const [slow = 0] = run(new LocalityLoad(1.25, 0), 1, success(20), success(10));
    const [slower = 0] = run(new LocalityLoad(1.25, 0), 1, success(30), success(10));
    const [stuck = 0] = run(new LocalityLoad(1.25, 0), 1, success(30_000), success(10));
    expect(slow).toBeCloseTo((20 / 12.5) ** -0.25);
    expect(slower).toBeCloseTo((30 / 12.5) ** -0.25);
    expect(stuck).toBeCloseTo(Math.exp(-0.25));
  });

  test("never becomes nothing, and comes back", () => {
    const load = new LocalityLoad(1.25, 0);
    expect(run(load, 30, success(1_000), success(10)).at(-1)).toBe(0.03);
    const back = run(load, 90, success(10), success(10), 20, 31);
    expect(back.at(-1)).toBe(1);
    expect(back[0]).toBeLessThan(0.04);
  });

  test("settles where the ratio is what is allowed", () => {
    const load = new LocalityLoad(1.25, 0);
    const seen: number[] = [];
    for (let second = 1; second <= 60; second++) {
      // twice as slow with everything, as fast as others with half of it
      seen.push(...run(load, 1, success(20 * load.share), success(10), 20, second));
    }
    expect(seen.at(-1)).toBeCloseTo(0.625, 2);
    expect(Math.min(...seen)).toBeGreaterThan(0.6);
  });

  test("counts failures as slow, however fast they are", () => {
    const load = new LocalityLoad(1.25, 0);
    for (let second = 1; second <= 3; second++) {
      run(load, 1, success(10), success(10), 10, second - 0.5);
      run(load, 1, failure, success(10), 10, second);
    }
    expect(load.share).toBeLessThan(0.8);
    expect(run(new LocalityLoad(1.25, 0), 30, failure, success(10)).at(-1)).toBe(0.03);
  });

  test("stays as it is where everything fails everywhere", () => {
    expect(run(new LocalityLoad(1.25, 0), 10, failure, failure).at(-1)).toBe(1);
  });

  test("needs 16 outcomes of both sides, or less where the excess is clear", () => {
    const load = new LocalityLoad(1.25, 0);
    for (let index = 0; index < 1_000; index++) load.report(true, success(20), 5_000);
    for (let index = 0; index < 15; index++) expect(load.report(false, success(10), 5_000)).toBe(false);
    expect(load.report(false, success(10), 5_000)).toBe(true);

    const clear = new LocalityLoad(1.25, 0);
    for (let index = 0; index < 1_000; index++) clear.report(true, success(500), 5_000);
    for (let index = 0; index < 3; index++) expect(clear.report(false, success(10), 5_000)).toBe(false);
    expect(clear.report(false, success(10), 5_000)).toBe(true);
  });

  test("changes at most once a second", () => {
    const load = new LocalityLoad(1.25, 0);
    let changes = 0;
    for (let ms = 0; ms < 10_000; ms += 5) {
      for (const isLocal of [true, false]) changes += load.report(isLocal, success(isLocal ? 20 : 10), ms) ? 1 : 0;
    }
    expect(changes).toBe(9);
  });

  test("does not depend on outcomes that say nothing", () => {
    const load = new LocalityLoad(1.25, 0);
    const canceled: Outcome = { code: StatusCode.canceled, fate: "unsent", firstByteMs: undefined, durationMs: 9_000 };
    run(load, 10, canceled, success(10));
    expect(load.share).toBe(1);
  });
});
