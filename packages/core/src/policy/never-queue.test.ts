import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  candidates,
  failure,
  type LoadedCandidate,
  outcome,
  pick,
  pickKeys,
  policyContext,
  weightsInOrder,
} from "../../test-helpers/candidates.ts";
import { neverQueue } from "./never-queue.ts";

describe("never queue", () => {
  test.each([5, 40])("serves an idle candidate while there is one, of %d", (count) => {
    const random = seededRandom(count);
    const set = candidates(count);
    const picker = neverQueue()(undefined, set, policyContext({ random }));
    const under: LoadedCandidate[] = [];
    for (let step = 0; step < 20_000; step++) {
      const anyIdle = set.some(({ inFlight }) => inFlight === 0);
      const picked = pick(picker);
      if (anyIdle) expect(picked.inFlight).toBe(0);
      picked.inFlight++;
      under.push(picked);
      while (under.length > count * 1.2 * random()) {
        const [ended] = under.splice(Math.floor(random() * under.length), 1);
        if (ended === undefined) break;
        // before or after the stream is closed
        const isEarly = random() < 0.5;
        if (isEarly) picker.report?.(ended, outcome());
        ended.inFlight--;
        if (!isEarly) picker.report?.(ended, outcome());
      }
    }
  });

  test.each([5, 40])("serves idle ones in turn, whatever their weights, of %d", (count) => {
    const weightOf = weightsInOrder(Array.from({ length: count }, (_, index) => 1 + index));
    const set = candidates(count);
    const picker = neverQueue()(undefined, set, policyContext({ random: seededRandom(1), weightOf }));
    for (let round = 0; round < 3; round++) {
      const seen = new Set<LoadedCandidate>();
      for (let each = 0; each < count; each++) {
        const picked = pick(picker);
        picker.report?.(picked, outcome());
        seen.add(picked);
      }
      expect(seen.size).toBe(count);
    }
  });

  test("has the shortest expected delay where none is idle", () => {
    const weightOf = weightsInOrder([1, 3, 4]);
    const set = candidates(3, [1, 3, 5]);
    expect(pick(neverQueue()(undefined, set, policyContext({ weightOf })))).toBe(set[1]);

    const many = candidates(40, new Array<number>(40).fill(9));
    const picker = neverQueue()(undefined, many, policyContext({ random: seededRandom(2) }));
    for (let rpc = 0; rpc < 4_000; rpc++) pick(picker).inFlight++;
    // one random choice: above 140
    expect(Math.max(...many.map(({ inFlight }) => inFlight))).toBeLessThanOrEqual(113);
  });

  test("knows which are idle after the set has changed", () => {
    const policy = neverQueue();
    const context = policyContext({ random: seededRandom(3) });
    const set = candidates(60, new Array<number>(60).fill(1));
    const before = policy(undefined, set, context);
    pickKeys(before, 100);
    const [first, ...rest] = set.slice(10) as [LoadedCandidate, ...LoadedCandidate[]];
    const idle = rest[20] as LoadedCandidate;
    idle.inFlight = 0;
    expect(pick(policy(before, [first, ...rest], context))).toBe(idle);
  });

  test("takes outcomes of candidates that have left, and goes on", () => {
    const policy = neverQueue();
    const context = policyContext({ random: seededRandom(4) });
    const set = candidates(40);
    const [gone, first, ...rest] = set as unknown as [LoadedCandidate, LoadedCandidate, ...LoadedCandidate[]];
    const picker = policy(policy(undefined, set, context), [first, ...rest], context);
    for (let each = 0; each < 100; each++) {
      picker.report?.(gone, outcome());
      expect(pick(picker)).not.toBe(gone);
    }
  });

  test("comes back to one that failed when its penalty is over, also where others are idle", () => {
    const clock = new FakeClock();
    const set = candidates(40);
    const picker = neverQueue()(undefined, set, policyContext({ clock, random: seededRandom(6) }));
    picker.report?.(set[0], failure);
    const turn = (): Set<string> => {
      const picked = Array.from({ length: 39 }, () => pick(picker));
      for (const each of picked) picker.report?.(each, outcome());
      return new Set(picked.map(({ endpoint }) => endpoint.key));
    };
    pickKeys(picker, 20);
    for (const each of set.slice(1)) picker.report?.(each, outcome());
    expect(turn().has("pod-1")).toBe(false);
    clock.tick(2_000);
    expect(turn().has("pod-1")).toBe(true);
  });

  test("serves somebody where all have failed", () => {
    for (const count of [5, 40]) {
      const set = candidates(count);
      const picker = neverQueue()(undefined, set, policyContext({ random: seededRandom(5) }));
      for (const each of set) picker.report?.(each, failure);
      expect(new Set(pickKeys(picker, 2_000)).size).toBe(count);
    }
  });
});
