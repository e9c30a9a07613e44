import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, pickKeys, policyContext, shares, weightsInOrder } from "../../test-helpers/candidates.ts";
import { random } from "./random.ts";

describe("random", () => {
  test("serves all of them evenly, whatever their loads", () => {
    const picker = random()(undefined, candidates(10, [900, 3]), policyContext({ random: seededRandom(1) }));
    for (const count of shares(picker, 1_000_000).values()) expect(Math.abs(count - 100_000)).toBeLessThan(1_500);
  });

  test("serves them in proportion to their weights", () => {
    const weights = [1, 4, 15];
    const context = policyContext({ random: seededRandom(2), weightOf: weightsInOrder(weights) });
    const counts = shares(random()(undefined, candidates(3), context), 1_000_000);
    for (const [index, weight] of weights.entries()) {
      expect(Math.abs((counts.get(`pod-${index + 1}`) ?? 0) - weight * 50_000)).toBeLessThan(2_500);
    }
  });

  test("has no memory: each pick is a draw", () => {
    const order = pickKeys(random()(undefined, candidates(2), policyContext({ random: seededRandom(3) })), 10_000);
    const same = order.filter((key, index) => key === order[index + 1]).length;
    expect(Math.abs(same - 5_000)).toBeLessThan(250);
  });
});
