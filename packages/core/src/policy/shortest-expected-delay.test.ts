import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, pick, pickKeys, policyContext, shares, weightsInOrder } from "../../test-helpers/candidates.ts";
import { shortestExpectedDelay } from "./shortest-expected-delay.ts";

describe("shortest expected delay", () => {
  test("counts the RPC to come, relative to weight", () => {
    // 2/1, 4/3, 6/4
    const set = candidates(3, [1, 3, 5]);
    const context = policyContext({ weightOf: weightsInOrder([1, 3, 4]) });
    const picker = shortestExpectedDelay()(undefined, set, context);
    expect(pick(picker)).toBe(set[1]);
    (set[1] as { inFlight: number }).inFlight = 4;
    expect(pick(picker)).toBe(set[2]);
  });

  test("leaves slow ones alone while a fast one is idle", () => {
    const context = policyContext({ weightOf: weightsInOrder([1, 3, 1]) });
    expect(new Set(pickKeys(shortestExpectedDelay()(undefined, candidates(3), context), 50))).toEqual(
      new Set(["pod-2"]),
    );
  });

  test("serves those that are equal in turn", () => {
    const picker = shortestExpectedDelay()(undefined, candidates(4), policyContext({ random: seededRandom(2) }));
    expect(new Set(shares(picker, 400).values())).toEqual(new Set([100]));
  });

  test("spreads many RPCs by weight, over few candidates and over many", () => {
    for (const count of [8, 40]) {
      const weights = Array.from({ length: count }, (_, index) => 1 + (index % 4));
      const set = candidates(count);
      const context = policyContext({ random: seededRandom(3), weightOf: weightsInOrder(weights) });
      const picker = shortestExpectedDelay()(undefined, set, context);
      for (let rpc = 0; rpc < 100 * count; rpc++) pick(picker).inFlight++;
      for (const [index, { inFlight }] of set.entries()) {
        const expected = 40 * (weights[index] as number);
        expect(Math.abs(inFlight - expected)).toBeLessThanOrEqual(count > 12 ? 0.15 * expected : 2);
      }
    }
  });
});
