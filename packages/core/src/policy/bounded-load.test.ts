import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidatesOf } from "../../test-helpers/affinity.ts";
import { candidates } from "../../test-helpers/candidates.ts";
import { pod } from "../../test-helpers/endpoints.ts";
import { BoundedLoad } from "./bounded-load.ts";

const admitted = (bound: BoundedLoad, count: number): boolean[] =>
  Array.from({ length: count }, (_, index) => bound.admits(index));

describe("a bounded load", () => {
  test("admits who has less than its share of all RPCs with the next one, times the factor, rounded up", () => {
    // 12 and one more, by four, times 1.25: 4.06, so 5
    expect(admitted(new BoundedLoad(candidates(4, [4, 5, 3, 0]), 1.25), 4)).toEqual([true, false, true, true]);
    // times 2: 6.5, so 7
    expect(admitted(new BoundedLoad(candidates(4, [6, 6, 0, 0]), 2), 4)).toEqual([true, true, true, true]);
    expect(admitted(new BoundedLoad(candidates(4, [7, 5, 0, 0]), 2), 4)).toEqual([false, true, true, true]);
  });

  test("admits to idle candidates whatever the factor is", () => {
    expect(admitted(new BoundedLoad(candidates(50), 1.05), 50)).toEqual(new Array(50).fill(true));
  });

  test("has shares by weight", () => {
    const set = candidatesOf([pod(1, { weight: 3 }), pod(2)]);
    set[0].inFlight = 5;
    set[1]!.inFlight = 2;
    // 8 × 1.25 = 10: 7.5 and 2.5
    expect(admitted(new BoundedLoad(set, 1.25), 2)).toEqual([true, true]);
    set[1]!.inFlight = 3;
    // 9 × 1.25 = 11.25: 8.4 and 2.8
    expect(admitted(new BoundedLoad(set, 1.25), 2)).toEqual([true, false]);
  });

  test("counts an RPC from its pick, before its stream is open", () => {
    const set = candidates(3);
    const bound = new BoundedLoad(set, 1.05);
    bound.picked(0);
    bound.picked(1);
    // both are about to be busy: 3 × 1.05 / 3, so 2
    set[0].inFlight = 1;
    expect(bound.admits(0)).toBe(true);
  });

  test("knows of what others do on the same connections after a round of picks", () => {
    const set = candidates(10);
    const bound = new BoundedLoad(set, 2);
    for (const each of set.slice(5)) each.inFlight = 20;
    set[0].inFlight = 15;
    expect(bound.admits(0)).toBe(false); // of 15
    for (let pick = 0; pick < 10; pick++) bound.picked(1);
    expect(bound.admits(0)).toBe(true); // of 115
  });

  test("takes outcomes of candidates that it does not know", () => {
    const bound = new BoundedLoad(candidates(2), 1.25);
    expect(() => bound.ended({ endpoint: pod(9), inFlight: 3 })).not.toThrow();
  });

  test("always admits to one, as long as nobody else changes loads", () => {
    const random = seededRandom(3);
    const set = candidates(8);
    const bound = new BoundedLoad(set, 1.05);
    for (let step = 0; step < 20_000; step++) {
      const index = Math.floor(random() * 8);
      const candidate = set[index] as (typeof set)[0];
      if (random() < 0.48) {
        if (candidate.inFlight > 0) candidate.inFlight--;
        bound.ended(candidate);
        continue;
      }
      expect(admitted(bound, 8)).toContain(true);
      if (!bound.admits(index)) continue;
      bound.picked(index);
      candidate.inFlight++;
    }
  });
});
