import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, pickKeys, policyContext, shares, weightsInOrder } from "../../test-helpers/candidates.ts";
import { roundRobin } from "./round-robin.ts";

describe("round robin", () => {
  test("serves one candidate after another", () => {
    const picker = roundRobin()(undefined, candidates(3), policyContext({ random: () => 0 }));
    expect(pickKeys(picker, 7)).toEqual(["pod-1", "pod-2", "pod-3", "pod-1", "pod-2", "pod-3", "pod-1"]);
  });

  test("gives each the same share, wherever it starts", () => {
    for (let seed = 0; seed < 20; seed++) {
      const picker = roundRobin()(undefined, candidates(7), policyContext({ random: seededRandom(seed) }));
      expect(new Set(shares(picker, 700).values())).toEqual(new Set([100]));
    }
  });

  test("starts at a random candidate, so that many clients do not start at the same", () => {
    const starts = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      starts.add(
        pickKeys(roundRobin()(undefined, candidates(5), policyContext({ random: seededRandom(seed) })), 1).join(),
      );
    }
    expect(starts.size).toBe(5);
  });

  test("goes on where it was when the set changes", () => {
    const policy = roundRobin();
    const context = policyContext({ random: () => 0 });
    const before = policy(undefined, candidates(3), context);
    expect(pickKeys(before, 2)).toEqual(["pod-1", "pod-2"]);
    const grown = policy(before, candidates(4), context);
    expect(pickKeys(grown, 4)).toEqual(["pod-3", "pod-4", "pod-1", "pod-2"]);
    const shrunk = policy(grown, candidates(2), context);
    expect(pickKeys(shrunk, 3)).toEqual(["pod-1", "pod-2", "pod-1"]);
  });

  test("does not begin at the first candidate each time, however often the set changes", () => {
    const policy = roundRobin();
    const context = policyContext({ random: () => 0 });
    let picker = policy(undefined, candidates(4), context);
    const keys: string[] = [];
    for (let change = 0; change < 8; change++) {
      keys.push(...pickKeys(picker, 1));
      picker = policy(picker, candidates(4), context);
    }
    expect(keys).toEqual(["pod-1", "pod-2", "pod-3", "pod-4", "pod-1", "pod-2", "pod-3", "pod-4"]);
  });

  test("takes the picker of another policy for none", () => {
    const foreign = { pick: () => ({ kind: "queue" }) as const };
    expect(pickKeys(roundRobin()(foreign, candidates(4), policyContext({ random: () => 0.5 })), 1)).toEqual(["pod-3"]);
  });

  test("leaves the candidates it was given alone", () => {
    const set = Object.freeze(candidates(3)) as ReturnType<typeof candidates>;
    for (const each of set) Object.freeze(each);
    expect(() => pickKeys(roundRobin()(undefined, set, policyContext()), 10)).not.toThrow();
  });
});

describe("round robin with weights", () => {
  const weights = [1, 2, 5];
  const context = policyContext({ random: seededRandom(3), weightOf: weightsInOrder(weights) });

  test("gives each the share of its weight, to the pick", () => {
    const counts = shares(roundRobin()(undefined, candidates(3), context), 1_000_000);
    for (const [index, weight] of weights.entries()) {
      expect(Math.abs((counts.get(`pod-${index + 1}`) ?? 0) - weight * 125_000)).toBeLessThanOrEqual(3);
    }
  });

  test("spreads the picks of each, as smoothly as can be", () => {
    const order = pickKeys(roundRobin()(undefined, candidates(3), context), 8_000);
    for (const [index, weight] of weights.entries()) {
      const turns = order.flatMap((key, turn) => (key === `pod-${index + 1}` ? [turn] : []));
      for (const [number, turn] of turns.slice(1).entries()) {
        expect(turn - (turns[number] as number)).toBeLessThanOrEqual(8 / weight + 3);
      }
    }
  });

  test("is plain round robin where all weights are the same", () => {
    const even = policyContext({ random: () => 0, weightOf: () => 0.3 });
    expect(pickKeys(roundRobin()(undefined, candidates(3), even), 4)).toEqual(["pod-1", "pod-2", "pod-3", "pod-1"]);
  });

  test("goes from one to the other as weights change", () => {
    const policy = roundRobin();
    let slow = 1;
    const changing = policyContext({ weightOf: ({ endpoint }) => (endpoint.key === "pod-1" ? slow : 1) });
    let picker = policy(undefined, candidates(4), changing);
    for (const share of [1, 0.1, 0.5, 1]) {
      slow = share;
      picker = policy(picker, candidates(4), changing);
      const count = shares(picker, 31_000).get("pod-1") ?? 0;
      expect(count / 31_000).toBeCloseTo(share / (3 + share), 2);
    }
  });
});
