import { seededRandom } from "@evenkeel/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { keysOf, pod, pods, shuffled } from "../../test-helpers/endpoints.ts";
import { singleChanges, spread, turnover } from "../../test-helpers/subsets.ts";
import { randomInt } from "../random.ts";
import { apertureSubset } from "./aperture-subset.ts";
import type { Subset } from "./subset.ts";

afterEach(() => vi.unstubAllEnvs());

/** One for each of `count` clients. */
function apertures(count: number, size: number): Subset[] {
  return Array.from({ length: count }, (_, index) => apertureSubset({ size, clients: { index, count } }));
}

describe("an aperture", () => {
  test("has the size that was asked for, in the order of the set", () => {
    const random = seededRandom(1);
    for (const size of [1, 3, 19, 20]) {
      for (let index = 0; index < 7; index++) {
        const endpoints = shuffled(random, pods(20));
        const chosen = apertureSubset({ size, clients: { index, count: 7 } })(endpoints);
        expect(chosen).toHaveLength(size);
        expect(chosen).toEqual(endpoints.filter((endpoint) => chosen.includes(endpoint)));
      }
    }
  });

  test("is everything where there is less than that", () => {
    const subset = apertureSubset({ size: 5, clientId: "client" });
    expect(subset([])).toEqual([]);
    expect(keysOf(subset(pods(4)))).toEqual(keysOf(pods(4)));
  });

  test("gives every endpoint as many clients as another, or one more", () => {
    const random = seededRandom(2);
    for (let trial = 0; trial < 300; trial++) {
      const endpoints = Array.from({ length: 1 + randomInt(random, 60) }, (_, index) => pod(index + trial * 100));
      const size = 1 + randomInt(random, 25);
      const clients = Math.ceil(endpoints.length / size) + randomInt(random, 40);
      const { min, max } = spread(apertures(clients, size), endpoints);
      expect(max - min).toBeLessThanOrEqual(1);
      expect(min).toBeGreaterThan(0);
    }
  });

  test("does not follow the order in which endpoints were made, nor their zones", () => {
    const [first] = apertures(10, 10);
    const numbers = keysOf(first?.(pods(100)) ?? []).map((key) => Number(key.slice(4)));
    expect(new Set(numbers.map((number) => Math.floor((number - 1) / 10))).size).toBeGreaterThan(4);
  });

  test("changes by at most one when an endpoint comes or leaves, and stays with the ring", () => {
    const random = seededRandom(3);
    let waits = 0;
    for (const [count, size, start] of [
      [40, 5, 8],
      [40, 20, 30],
      [40, 20, 100],
    ] as const) {
      const subsets = apertures(count, size);
      let before: (ReturnType<Subset> | undefined)[] = subsets.map(() => undefined);
      for (const endpoints of singleChanges(random, start, 100)) {
        const after = subsets.map((subset) => subset(endpoints));
        for (const [client, chosen] of after.entries()) {
          expect(chosen).toHaveLength(Math.min(size, endpoints.length));
          const { left, joined } = turnover(before[client] ?? chosen, chosen);
          expect(Math.max(left, joined)).toBeLessThanOrEqual(1);
          const ideal = apertureSubset({ size, clients: { index: client, count } })(endpoints);
          const late = turnover(chosen, ideal).joined;
          expect(late).toBeLessThanOrEqual(2);
          waits += late > 0 ? 1 : 0;
        }
        before = after;
      }
    }
    expect(waits).toBeGreaterThan(0); // the ring alone changes more
    expect(waits / (120 * 100)).toBeLessThan(0.1);
  });

  test("changes at once by as much as the set does", () => {
    const subsets = apertures(10, 5);
    for (const endpoints of [pods(50), pods(90).slice(40), pods(20), pods(300)]) {
      for (const subset of subsets) subset(endpoints);
      const { min, max } = spread(subsets, endpoints);
      expect(max - min).toBeLessThanOrEqual(1);
    }
  });

  test("serves channels to several targets in turn", () => {
    const subset = apertureSubset({ size: 5, clients: { index: 3, count: 10 } });
    const orders = pods(40);
    const users = Array.from({ length: 60 }, (_, index) => pod(1_000 + index));
    const [ofOrders, ofUsers] = [keysOf(subset(orders)), keysOf(subset(users))];
    expect(keysOf(subset(orders))).toEqual(ofOrders);
    expect(keysOf(subset(users))).toEqual(ofUsers);
  });

  test("without a number is at the place of its name", () => {
    vi.stubEnv("POD_NAME", "web-7f9c-x2x1");
    const byEnvironment = keysOf(apertureSubset({ size: 10 })(pods(100)));
    expect(byEnvironment).toEqual(keysOf(apertureSubset({ size: 10, clientId: "web-7f9c-x2x1" })(pods(100))));
    const others = Array.from({ length: 100 }, (_, id) => apertureSubset({ size: 20, clientId: `web-${id}` }));
    const { variation } = spread(others, pods(100));
    expect(variation).toBeGreaterThan(0.1); // binomial: 0.2
    expect(variation).toBeLessThan(0.35);
  });

  test("refuses options that are none, naming them", () => {
    expect(() => apertureSubset({ size: 0 })).toThrow(/^size: /);
    expect(() => apertureSubset({ size: 5, width: 1 } as never)).toThrow(/^width: no option of apertureSubset/);
    expect(() => apertureSubset({ size: 5, clients: { index: 3, count: 3 } })).toThrow(/^clients.index: .* 0 to 2/);
    expect(() => apertureSubset({ size: 5, clients: { index: 0, count: 0 } })).toThrow(/^clients.count: /);
    expect(() => apertureSubset({ size: 5, clients: { index: 0 } as never })).toThrow(/^clients.count: /);
    expect(() => apertureSubset({ size: 5, clients: { index: 0, total: 1 } as never })).toThrow(/^total: no option/);
    expect(() => apertureSubset({ size: 5, clients: { index: 0, count: 2 }, clientId: "a" })).toThrow(/^clientId: /);
  });
});
