import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, pick, pickKeys, policyContext, shares } from "../../test-helpers/candidates.ts";
import { leastRequest } from "./least-request.ts";

describe("least request, up to 32 candidates", () => {
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
    const set = candidates(32);
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

describe("least request, above 32 candidates", () => {
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
    const extremes = [0, 2 ** -32, 1 / 33, 0.5, 32 / 33, 1 - 2 ** -32];
    for (const one of extremes) {
      for (const other of extremes) {
        let draws = 0;
        const set = candidates(33);
        // whichever is drawn first is busy: with two distinct ones it is never picked
        const first = Math.floor(one * 33);
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
    const set = candidates(33, new Array<number>(33).fill(5));
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
    const few = policy(undefined, candidates(32), context);
    const many = policy(few, candidates(33), context);
    const fewAgain = policy(many, candidates(32, [1]), context);
    expect(pickKeys(many, 50)).toHaveLength(50);
    expect(pickKeys(fewAgain, 64)).not.toContain("pod-1");
  });
});

test("least request never changes a load that it reads", () => {
  for (const count of [3, 40]) {
    const set = candidates(count, [2, 1]);
    for (const each of set) Object.freeze(each);
    expect(() => pickKeys(leastRequest()(undefined, set, policyContext()), 100)).not.toThrow();
  }
});
