import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  candidates,
  type LoadedCandidate,
  pick,
  pickKeys,
  policyContext,
  shares,
  weightsInOrder,
} from "../../test-helpers/candidates.ts";
import { leastRequest } from "./least-request.ts";

describe("least request, up to 12 candidates", () => {
  test("serves the one with the fewest RPCs in flight, wherever it starts", () => {
    for (let seed = 0; seed < 50; seed++) {
      const set = candidates(5, [4, 3, 9, 1, 2]);
      const picker = leastRequest()(undefined, set, policyContext({ random: seededRandom(seed) }));
      expect(pick(picker)).toBe(set[3]);
      expect(pick(picker)).toBe(set[3]);
    }
  });

  test("serves candidates with the same load in turn", () => {
    const picker = leastRequest()(undefined, candidates(4, [1, 0, 0, 0]), policyContext({ random: () => 0 }));
    expect(pickKeys(picker, 6)).toEqual(["pod-2", "pod-3", "pod-4", "pod-2", "pod-3", "pod-4"]);
  });

  test("never serves one that is busier than another, as RPCs come and go", () => {
    const random = seededRandom(11);
    const set = candidates(12);
    const picker = leastRequest()(undefined, set, policyContext({ random }));
    for (let step = 0; step < 5_000; step++) {
      const least = Math.min(...set.map(({ inFlight }) => inFlight));
      const picked = pick(picker);
      expect(picked.inFlight).toBe(least);
      picked.inFlight++;
      const other = set[Math.floor(random() * set.length)];
      if (other !== undefined && other.inFlight > 0 && random() < 0.9) other.inFlight--;
    }
  });

  test("gives idle candidates the same share when RPCs come one by one", () => {
    const picker = leastRequest()(undefined, candidates(6), policyContext({ random: seededRandom(4) }));
    expect(new Set(shares(picker, 600).values())).toEqual(new Set([100]));
  });

  test("starts at a random candidate, and goes on where it was when the set changes", () => {
    const starts = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      starts.add(
        pickKeys(leastRequest()(undefined, candidates(4), policyContext({ random: seededRandom(seed) })), 1).join(),
      );
    }
    expect(starts.size).toBe(4);

    const policy = leastRequest();
    const context = policyContext({ random: () => 0 });
    const before = policy(undefined, candidates(3), context);
    expect(pickKeys(before, 2)).toEqual(["pod-1", "pod-2"]);
    expect(pickKeys(policy(before, candidates(5), context), 3)).toEqual(["pod-3", "pod-4", "pod-5"]);
    expect(pickKeys(policy(before, candidates(1), context), 2)).toEqual(["pod-1", "pod-1"]);
  });
});

describe("least request, above 12 candidates", () => {
  test("compares two distinct candidates, drawn evenly", () => {
    const random = seededRandom(5);
    const reads: number[] = [];
    const set = candidates(40);
    for (const [index, candidate] of set.entries()) {
      Object.defineProperty(candidate, "inFlight", {
        get: () => {
          reads.push(index);
          return 0;
        },
      });
    }
    const picker = leastRequest()(undefined, set, policyContext({ random }));
    const drawn = new Array<number>(set.length).fill(0);
    const picks = 20_000;
    for (let step = 0; step < picks; step++) {
      reads.length = 0;
      pick(picker);
      const pair = new Set(reads);
      expect(pair.size).toBe(2);
      for (const index of pair) drawn[index] = (drawn[index] ?? 0) + 1;
    }
    const expected = (2 * picks) / set.length;
    for (const count of drawn) expect(Math.abs(count - expected)).toBeLessThan(0.15 * expected);
  });

  test("draws two distinct candidates whatever the random numbers are", () => {
    const extremes = [0, 2 ** -32, 1 / 13, 0.5, 12 / 13, 1 - 2 ** -32];
    for (const one of extremes) {
      for (const other of extremes) {
        let draws = 0;
        const set = candidates(13);
        // whichever is drawn first is busy: with two distinct ones it is never picked
        const first = Math.floor(one * 13);
        const busy = set[first];
        if (busy === undefined) throw new Error("drawn outside of the set");
        busy.inFlight = 1;
        const picker = leastRequest()(
          undefined,
          set,
          policyContext({ random: () => (draws++ % 2 === 0 ? one : other) }),
        );
        expect(pick(picker)).not.toBe(busy);
      }
    }
  });

  test("serves the less busy of the two", () => {
    const set = candidates(13, new Array<number>(13).fill(5));
    const numbers = [0, 0];
    let draws = 0;
    const picker = leastRequest()(undefined, set, policyContext({ random: () => numbers[draws++ % 2] ?? 0 }));
    set[0].inFlight = 7; // drawn first
    expect(pick(picker)).toBe(set[1]);
    set[0].inFlight = 3;
    expect(pick(picker)).toBe(set[0]);
  });

  test("keeps the busiest of many candidates close to the average", () => {
    const random = seededRandom(6);
    const set = candidates(100);
    const picker = leastRequest()(undefined, set, policyContext({ random }));
    for (let rpc = 0; rpc < 1_000; rpc++) pick(picker).inFlight++;
    expect(Math.max(...set.map(({ inFlight }) => inFlight))).toBeLessThanOrEqual(14); // one random choice: above 18
  });

  test("takes over from the exact comparison, and back", () => {
    const policy = leastRequest();
    const context = policyContext({ random: seededRandom(9) });
    const few = policy(undefined, candidates(12), context);
    const many = policy(few, candidates(13), context);
    const fewAgain = policy(many, candidates(12, [1]), context);
    expect(pickKeys(many, 50)).toHaveLength(50);
    expect(pickKeys(fewAgain, 64)).not.toContain("pod-1");
  });
});

describe("least request with choices", () => {
  test.each([2, 3, 5, 12])("compares %d distinct candidates, drawn evenly, also where there are few", (choices) => {
    const reads: number[] = [];
    const set = candidates(13);
    for (const [index, candidate] of set.entries()) {
      Object.defineProperty(candidate, "inFlight", { get: () => reads.push(index) && 0 });
    }
    const picker = leastRequest({ choices })(undefined, set, policyContext({ random: seededRandom(choices) }));
    const drawn = new Array<number>(set.length).fill(0);
    const picks = 20_000;
    for (let step = 0; step < picks; step++) {
      reads.length = 0;
      pick(picker);
      expect(reads).toHaveLength(choices);
      expect(new Set(reads).size).toBe(choices);
      for (const index of reads) drawn[index] = (drawn[index] ?? 0) + 1;
    }
    const expected = (choices * picks) / set.length;
    for (const count of drawn) expect(Math.abs(count - expected)).toBeLessThan(0.1 * expected);
  });

  test("compares all where there are no more than that", () => {
    const set = candidates(20, new Array<number>(20).fill(3));
    set[11] = { ...(set[11] as LoadedCandidate), inFlight: 2 };
    const picker = leastRequest({ choices: 20 })(undefined, set, policyContext());
    expect(new Set(pickKeys(picker, 100))).toEqual(new Set(["pod-12"]));
  });

  test.each([
    [{ choices: 1 }, RangeError, "choices: expected an integer from 2 to 100, got 1"],
    [{ choices: 101 }, RangeError, "choices: expected an integer from 2 to 100, got 101"],
    [{ choices: 2.5 }, RangeError, "choices: expected an integer from 2 to 100, got 2.5"],
    [{ choices: "2" }, TypeError, "choices: expected an integer from 2 to 100, got 2"],
    [{ weights: 1 }, TypeError, "weights: expected a boolean, got 1"],
    [{ choiceCount: 2 }, TypeError, "choiceCount: no option of leastRequest, which has choices, weights"],
    [null, TypeError, "leastRequest: expected an object of options, got null"],
  ])("refuses %j", (options, type, message) => {
    expect(() => leastRequest(options as object)).toThrow(type);
    expect(() => leastRequest(options as object)).toThrow(message);
  });
});

describe("least request with weights", () => {
  /** RPCs that end at random, so many under way at a time; shares of the picks, relative to those of weights. */
  function relativeShares(count: number, weights: readonly number[], inFlight: number, options = {}): number[] {
    const random = seededRandom(count + inFlight);
    const set = candidates(count);
    const context = policyContext({ random, weightOf: weightsInOrder(weights) });
    const picker = leastRequest(options)(undefined, set, context);
    const counts = new Map<LoadedCandidate, number>();
    const under: LoadedCandidate[] = [];
    const picks = 200_000;
    for (let step = 0; step < picks; step++) {
      const picked = pick(picker);
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
      picked.inFlight++;
      under.push(picked);
      if (under.length <= inFlight) continue;
      const [ended] = under.splice(Math.floor(random() * under.length), 1);
      if (ended !== undefined) ended.inFlight--;
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return set.map((each, index) => ((counts.get(each) ?? 0) / picks / (weights[index] ?? 1)) * total);
  }

  test.each([
    [3, [1, 2, 3]],
    [10, [0.1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
    [8, [0.1, 1, 1, 1, 1, 1, 1, 1]],
    [12, Array.from({ length: 12 }, (_, index) => 1 + index)],
    [30, Array.from({ length: 30 }, (_, index) => 1 + (index % 3))],
  ])("of %d idle candidates each has the share of its weight: %j", (count, weights) => {
    for (const share of relativeShares(count, weights, 0)) {
      expect(share).toBeGreaterThan(0.9);
      expect(share).toBeLessThan(1.1);
    }
  });

  test.each([
    [3, [1, 2, 3]],
    [10, [0.1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
    [30, Array.from({ length: 30 }, (_, index) => 1 + (index % 3))],
  ])("of %d busy candidates, too: %j", (count, weights) => {
    for (const share of relativeShares(count, weights, 20 * count)) {
      expect(share).toBeGreaterThan(0.8);
      expect(share).toBeLessThan(1.4);
    }
  });

  test("does not give one with little weight an RPC whenever it is idle", () => {
    for (const count of [8, 30]) {
      const weights = [0.1, ...new Array<number>(count - 1).fill(1)];
      for (const inFlight of [count >> 1, count, 3 * count]) {
        expect(relativeShares(count, weights, inFlight)[0]).toBeLessThan(2);
      }
    }
  });

  test("prefers the lesser load relative to weight", () => {
    const set = candidates(3, [4, 30, 2]);
    const context = policyContext({ weightOf: weightsInOrder([1, 10, 0.4]) });
    expect(pick(leastRequest()(undefined, set, context))).toBe(set[1]);
    expect(pick(leastRequest({ weights: false })(undefined, set, context))).toBe(set[2]);
  });

  test("passes over one whose weight is next to nothing", () => {
    for (const count of [3, 20]) {
      const weights = Array.from({ length: count }, (_, index) => (index === 1 ? Number.MIN_VALUE : 1));
      const context = policyContext({ random: seededRandom(5), weightOf: weightsInOrder(weights) });
      const keys = new Set(pickKeys(leastRequest()(undefined, candidates(count), context), 2_000));
      expect(keys.size).toBe(count - 1);
      expect(keys.has("pod-2")).toBe(false);
    }
  });

  test("takes no notice of them when it is told so", () => {
    for (const count of [4, 20]) {
      const weights = Array.from({ length: count }, (_, index) => 1 + index);
      const shares = relativeShares(count, weights, 0, { weights: false });
      expect((shares[0] as number) / (shares[count - 1] as number)).toBeCloseTo(count, -1);
    }
  });

  test("begins with each by its share, however often the set changes", () => {
    const weights = [1, 2, 5];
    const context = policyContext({ random: seededRandom(2), weightOf: weightsInOrder(weights) });
    const policy = leastRequest();
    const counts = new Map<string, number>();
    let picker = policy(undefined, candidates(3), context);
    for (let change = 0; change < 40_000; change++) {
      const { key } = pick(picker).endpoint;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      picker = policy(picker, candidates(3), context);
    }
    for (const [index, weight] of weights.entries()) {
      const share = ((counts.get(`pod-${index + 1}`) ?? 0) / 40_000 / weight) * 8;
      expect(share).toBeGreaterThan(0.7);
      expect(share).toBeLessThan(1.3);
    }
  });
});

test("least request never changes a load that it reads", () => {
  for (const count of [3, 40]) {
    const set = candidates(count, [2, 1]);
    for (const each of set) Object.freeze(each);
    expect(() => pickKeys(leastRequest()(undefined, set, policyContext()), 100)).not.toThrow();
  }
});
