import { describe, expect, test } from "vitest";
import { candidatesOf, countsOf, ownersOf } from "../../test-helpers/affinity.ts";
import { policyContext } from "../../test-helpers/candidates.ts";
import { pod, pods } from "../../test-helpers/endpoints.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { type MaglevOptions, maglev } from "./maglev.ts";

const key = { header: "x-user-id" };

function owners(endpoints: readonly Endpoint[], count: number, options: Partial<MaglevOptions> = {}): string[] {
  return ownersOf(maglev({ key, ...options })(undefined, candidatesOf(endpoints), policyContext({ endpoints })), count);
}

/** The parts of the keys that moved: to or from the endpoint that changed, and between others. */
function moved(before: readonly string[], after: readonly string[], changed: string): { own: number; others: number } {
  const moves = { own: 0, others: 0 };
  for (const [user, owner] of before.entries()) {
    if (owner === after[user]) continue;
    if (owner === changed || after[user] === changed) moves.own++;
    else moves.others++;
  }
  return { own: moves.own / before.length, others: moves.others / before.length };
}

describe("maglev", () => {
  test("gives an endpoint that joins its share, and moves few other keys, in 10^6 picks", () => {
    const { own, others } = moved(owners(pods(20), 1_000_000), owners(pods(21), 1_000_000), "pod-21");
    expect(Math.abs(own - 1 / 21)).toBeLessThan(0.05 / 21);
    expect(others).toBeLessThan(0.005);
  });

  test.each([3, 10, 100])("of %d endpoints, the keys of one that leaves move, and few others", (count) => {
    const { own, others } = moved(owners(pods(count), 50_000), owners(pods(count).slice(1), 50_000), "pod-1");
    expect(Math.abs(own - 1 / count)).toBeLessThan(0.15 / count);
    expect(others).toBeLessThan(0.01);
  });

  test("has the same shares for all within 2 %, and by weight", () => {
    for (const weights of [[1], [0.5, 1, 4]]) {
      const endpoints = pods(9).map((each, index) => ({ ...each, weight: weights[index % weights.length] ?? 1 }));
      const weight = endpoints.reduce((sum, each) => sum + each.weight, 0);
      const counts = countsOf(owners(endpoints, 1_000_000));
      for (const endpoint of endpoints) {
        const expected = (1_000_000 * endpoint.weight) / weight;
        expect(Math.abs((counts.get(endpoint.key) ?? 0) - expected)).toBeLessThan(0.02 * expected);
      }
    }
  });

  test("fills its table by shares that differ by one place, also where it is small for its endpoints", () => {
    // as many keys as it takes to come to each of 101 places
    const counts = countsOf(owners(pods(40), 200_000, { tableSize: 101 }));
    const places = [...counts.values()].map((count) => Math.round((count * 101) / 200_000));
    expect(new Set(places)).toEqual(new Set([2, 3]));
  });

  test("is made soon where weights are far apart, and heeds them", () => {
    const weight = 1_000_000;
    const endpoints = pods(10_000).map((each, index) => (index === 0 ? { ...each, weight } : each));
    const counts = countsOf(owners(endpoints, 100_000, { tableSize: 655_373 }));
    expect((counts.get("pod-1") ?? 0) / 100_000).toBeCloseTo(weight / (weight + 9_999), 2);
    expect(counts.size).toBeGreaterThan(500);
  });

  test("serves as many endpoints as it has places", () => {
    const counts = countsOf(owners(pods(20), 20_000, { tableSize: 7 }));
    expect(counts.size).toBe(7);
    const alone = owners([pod(1)], 100, { tableSize: 2 });
    expect(new Set(alone)).toEqual(new Set(["pod-1"]));
  });

  test("serves RPCs also where only endpoints without a place are connected", () => {
    const endpoints = pods(20);
    const placed = countsOf(owners(endpoints, 1_000, { tableSize: 7 }));
    const others = candidatesOf(endpoints.filter((endpoint) => !placed.has(endpoint.key)));
    const picker = maglev({ key, tableSize: 7 })(undefined, others, policyContext({ endpoints }));
    expect(countsOf(ownersOf(picker, 1_000)).size).toBe(13);
  });

  test.each([
    [{ tableSize: 65_536 }, RangeError, "tableSize: expected a prime, got 65536"],
    [{ tableSize: 1 }, RangeError, "tableSize: expected an integer from 2 to 5000011, got 1"],
    [{ tableSize: 5_000_081 }, RangeError, "tableSize: expected an integer from 2 to 5000011"],
    [{ tableSize: "65537" }, TypeError, "tableSize: expected an integer"],
    [{ minRingSize: 5 }, TypeError, "minRingSize: no option of maglev"],
  ])("refuses %j", (options, type, message) => {
    const refused = () => maglev({ key, ...(options as Partial<MaglevOptions>) });
    expect(refused).toThrow(type);
    expect(refused).toThrow(message);
  });

  test.each([2, 3, 101, 65_537, 5_000_011])("takes a table of %d places", (tableSize) => {
    expect(() => maglev({ key, tableSize })).not.toThrow();
  });
});
