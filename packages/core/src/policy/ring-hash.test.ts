import { describe, expect, test } from "vitest";
import { candidatesOf, countsOf, movesOf, ownersOf } from "../../test-helpers/affinity.ts";
import { policyContext } from "../../test-helpers/candidates.ts";
import { pod, pods } from "../../test-helpers/endpoints.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { type RingHashOptions, ringHash } from "./ring-hash.ts";

const key = { header: "x-user-id" };

function owners(endpoints: readonly Endpoint[], count: number, options: Partial<RingHashOptions> = {}): string[] {
  const context = policyContext({ endpoints });
  return ownersOf(ringHash({ key, ...options })(undefined, candidatesOf(endpoints), context), count);
}

/** How far the shares are from what the weights say, at most, as a part of that. */
function unevenness(endpoints: readonly Endpoint[], count: number, options?: Partial<RingHashOptions>): number {
  const counts = countsOf(owners(endpoints, count, options));
  const weight = endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
  const deviations = endpoints.map((endpoint) => {
    const expected = (count * endpoint.weight) / weight;
    return Math.abs((counts.get(endpoint.key) ?? 0) - expected) / expected;
  });
  return Math.max(...deviations);
}

describe("ring hash", () => {
  test("gives an endpoint that joins keys of all others, and moves no other key, in 10^6 picks", () => {
    const before = owners(pods(20), 1_000_000);
    const after = owners(pods(21), 1_000_000);
    const moves = movesOf(before, after);
    const moved = [...moves.values()].reduce((sum, count) => sum + count, 0);
    expect(moved).toBe(countsOf(after).get("pod-21"));
    expect(Math.abs(moved / 1_000_000 - 1 / 21)).toBeLessThan(0.1 / 21);
    expect(moves.size).toBe(20);
  });

  test.each([2, 3, 8, 50, 100, 128])("of %d endpoints, the keys of one that leaves move, and no others", (count) => {
    const endpoints = pods(count);
    const before = owners(endpoints, 20_000);
    const after = owners(endpoints.slice(1), 20_000);
    expect([...movesOf(before, after)]).toEqual([["pod-1", countsOf(before).get("pod-1")]]);
  });

  test("gives an endpoint whose weight grows keys of the others, and moves no other key", () => {
    const endpoints = pods(10);
    const heavier = endpoints.with(0, pod(1, { weight: 2 }));
    const before = owners(endpoints, 20_000);
    const after = owners(heavier, 20_000);
    const gained = after.filter((owner, user) => owner !== before[user]);
    expect(new Set(gained)).toEqual(new Set(["pod-1"]));
    expect(Math.abs(gained.length / 20_000 - (2 / 11 - 1 / 10))).toBeLessThan(0.02);
  });

  test("has the same shares for all within 10 %, and by weight", () => {
    expect(unevenness(pods(10), 200_000)).toBeLessThan(0.1);
    expect(
      unevenness(
        pods(10).map((endpoint, index) => ({ ...endpoint, weight: [0.5, 1, 4][index % 3] ?? 1 })),
        200_000,
      ),
    ).toBeLessThan(0.15);
  });

  test("has evener shares on a larger ring", () => {
    const small = unevenness(pods(8), 100_000, { minRingSize: 16, maxRingSize: 128 });
    const large = unevenness(pods(8), 100_000, { minRingSize: 4_096 });
    expect(small).toBeGreaterThan(0.2);
    expect(large).toBeLessThan(0.06);
  });

  test("moves half of the keys where the ring would grow too large, and none then until it has doubled", () => {
    const options = { minRingSize: 64, maxRingSize: 512 };
    const moved = (count: number): number => {
      const before = owners(pods(count), 10_000, options);
      const after = owners(pods(count + 1), 10_000, options);
      const between = after.filter((owner, user) => owner !== before[user] && owner !== `pod-${count + 1}`);
      return between.length / 10_000;
    };
    expect(moved(7)).toBe(0);
    expect(moved(8)).toBeGreaterThan(0.3);
    for (const count of [9, 12, 15]) expect(moved(count)).toBe(0);
    expect(moved(16)).toBeGreaterThan(0.3);
  });

  test("has a place for each of more endpoints than the ring is to have points", () => {
    const endpoints = pods(200);
    const counts = countsOf(owners(endpoints, 100_000, { minRingSize: 16, maxRingSize: 64 }));
    expect(counts.size).toBeGreaterThan(195); // of the 200 arcs a few are shorter than 1 / 100 000 of the ring
  });

  test("has a share for an endpoint of little weight", () => {
    const endpoints = [pod(1, { weight: 1e-9 }), pod(2), pod(3)];
    expect(countsOf(owners(endpoints, 20_000)).get("pod-1")).toBeGreaterThan(0);
  });

  test.each([
    [{ minRingSize: 0 }, RangeError, "minRingSize: expected an integer from 1 to 8388608, got 0"],
    [{ minRingSize: 1.5 }, RangeError, "minRingSize: expected an integer"],
    [{ maxRingSize: 8_388_609 }, RangeError, "maxRingSize: expected an integer from 1 to 8388608, got 8388609"],
    [{ maxRingSize: "1024" }, TypeError, "maxRingSize: expected an integer"],
    [{ maxRingSize: 512 }, RangeError, "minRingSize: expected at most maxRingSize, which is 512, got 1024"],
    [{ tableSize: 5 }, TypeError, "tableSize: no option of ringHash"],
  ])("refuses %j", (options, type, message) => {
    const refused = () => ringHash({ key, ...(options as Partial<RingHashOptions>) });
    expect(refused).toThrow(type);
    expect(refused).toThrow(message);
  });
});
