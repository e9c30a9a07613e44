import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, policyContext, weightsInOrder } from "../../test-helpers/candidates.ts";
import { evenWeights, weightsOf } from "./weights.ts";

describe("weights", () => {
  test("are 1 on average, in the order of the candidates", () => {
    const { values, isEven } = weightsOf(candidates(3), { weightOf: weightsInOrder([100, 200, 600]) });
    expect(isEven).toBe(false);
    expect(values.map((value) => Math.round(value * 1e9) / 1e9)).toEqual(
      [1 / 3, 2 / 3, 2].map((value) => Math.round(value * 1e9) / 1e9),
    );
  });

  test("are exactly 1 where all are the same, whatever they are", () => {
    for (const weight of [1, 0.1, 7e300]) {
      expect(weightsOf(candidates(7), policyContext({ weightOf: () => weight }))).toEqual(evenWeights(7));
    }
  });

  test("stay finite when they are as large as numbers can be", () => {
    const random = seededRandom(1);
    const { values } = weightsOf(candidates(9), { weightOf: () => Number.MAX_VALUE * (0.5 + random() / 2) });
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(9);
  });

  test("stay above 0, and finite, when they are as small as numbers can be, or far apart", () => {
    for (const weights of [
      [Number.MIN_VALUE, Number.MIN_VALUE, 2 * Number.MIN_VALUE],
      [Number.MAX_VALUE, Number.MIN_VALUE, 1],
    ]) {
      const { values } = weightsOf(candidates(3), { weightOf: weightsInOrder(weights) });
      for (const value of values) expect(value > 0 && value < 4).toBe(true);
    }
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuse %d with the name of the endpoint", (weight) => {
    expect(() => weightsOf(candidates(2), { weightOf: weightsInOrder([1, weight]) })).toThrow(RangeError);
    expect(() => weightsOf(candidates(2), { weightOf: weightsInOrder([1, weight]) })).toThrow(
      "weight of pod-2: expected a finite number above 0",
    );
  });
});
