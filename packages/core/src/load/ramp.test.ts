import { describe, expect, test } from "vitest";
import { candidates, policyContext } from "../../test-helpers/candidates.ts";
import { Ramps, ramp } from "./ramp.ts";

describe("the ramp", () => {
  const even = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };

  test.each([
    [0, 0.1],
    [500, 0.1],
    [2_500, 0.25],
    [9_999, 0.9999],
    [10_000, 1],
    [99_999, 1],
  ])("grows evenly: at %i ms %f", (ageMs, share) => {
    expect(ramp(even, ageMs)).toBeCloseTo(share, 12);
  });

  test("grows faster at first with more aggression, and slower with less", () => {
    expect(ramp({ ...even, aggression: 2 }, 2_500)).toBeCloseTo(0.5, 12);
    expect(ramp({ ...even, aggression: 0.5 }, 5_000)).toBeCloseTo(0.25, 12);
    expect(ramp({ ...even, aggression: 0.5 }, 2_500)).toBeCloseTo(0.1, 12);
  });

  test("begins where a clock that went backwards says a time before it", () => {
    for (const aggression of [0.5, 1, 2, 3]) expect(ramp({ ...even, aggression }, -1)).toBe(0.1);
  });

  test("is whole at once without a window", () => {
    expect(ramp({ ...even, windowMs: 0 }, 0)).toBe(1);
  });
});

describe("ramps", () => {
  const options = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };

  test("move in steps, and are done with the window", () => {
    const ramps = new Ramps(options);
    expect(ramps.nextStepAt).toBe(Number.POSITIVE_INFINITY);
    const [one, two] = candidates(2);
    if (two === undefined) throw new Error("two were made");
    ramps.start("pod-1", 1_000, 1_000);
    expect(ramps.nextStepAt).toBe(1_500);
    const { weightOf } = ramps.weighted(policyContext());
    expect([weightOf(one), weightOf(two)]).toEqual([0.1, 1]);

    expect(ramps.step(1_499)).toBe(false);
    expect(ramps.step(1_500)).toBe(false); // still the least weight
    expect(ramps.step(4_000)).toBe(true);
    expect(weightOf(one)).toBeCloseTo(0.3, 12);
    expect(ramps.nextStepAt).toBe(4_500);
    expect(ramps.step(11_000)).toBe(true);
    expect(weightOf(one)).toBe(1);
    expect(ramps.nextStepAt).toBe(Number.POSITIVE_INFINITY);
  });

  test("leave a context alone while there is none", () => {
    const ramps = new Ramps(options);
    const context = policyContext();
    expect(ramps.weighted(context)).toBe(context);
    ramps.start("pod-1", 0, 10_000);
    expect(ramps.weighted(context)).toBe(context);
    ramps.start("pod-1", 0, 0);
    expect(ramps.weighted(context)).not.toBe(context);
    ramps.step(10_000);
    expect(ramps.weighted(context)).toBe(context);
  });

  test.each([
    [1, 100],
    [2_000, 100],
    [10_000, 500],
    [600_000, 1_000],
  ])("of a window of %i ms have steps of %i ms", (windowMs, stepMs) => {
    const ramps = new Ramps({ ...options, windowMs });
    ramps.start("pod-1", 0, 0);
    expect(ramps.nextStepAt).toBe(stepMs);
  });
});
