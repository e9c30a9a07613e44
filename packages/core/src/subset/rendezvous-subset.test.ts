import { hostname } from "node:os";
import { seededRandom } from "@evenkeel/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { keysOf, pods, shuffled } from "../../test-helpers/endpoints.ts";
import { singleChanges, spread, turnover } from "../../test-helpers/subsets.ts";
import { rendezvousSubset } from "./rendezvous-subset.ts";

afterEach(() => vi.unstubAllEnvs());

describe("a rendezvous subset", () => {
  test("has the size that was asked for, in the order of the set", () => {
    const random = seededRandom(1);
    for (const size of [1, 3, 19, 20]) {
      const endpoints = shuffled(random, pods(20));
      const chosen = rendezvousSubset({ size, clientId: "client" })(endpoints);
      expect(chosen).toHaveLength(size);
      expect(chosen).toEqual(endpoints.filter((endpoint) => chosen.includes(endpoint)));
    }
  });

  test("is everything where there is less than that", () => {
    const subset = rendezvousSubset({ size: 5, clientId: "client" });
    expect(subset([])).toEqual([]);
    expect(keysOf(subset(pods(4)))).toEqual(keysOf(pods(4)));
  });

  test("does not depend on the order of the set, nor on what was there before", () => {
    const random = seededRandom(2);
    const subset = rendezvousSubset({ size: 7, clientId: "client" });
    const expected = keysOf(subset(pods(40))).sort();
    for (let step = 0; step < 20; step++) {
      subset(pods(step));
      expect(keysOf(subset(shuffled(random, pods(40)))).sort()).toEqual(expected);
    }
  });

  test("changes by at most one when an endpoint comes or leaves", () => {
    const random = seededRandom(3);
    const subsets = Array.from({ length: 20 }, (_, id) => rendezvousSubset({ size: 1 + id, clientId: `client-${id}` }));
    let before = subsets.map(() => [] as ReturnType<(typeof subsets)[number]>);
    let changes = 0;
    for (const endpoints of singleChanges(random, 20, 1_000)) {
      const after = subsets.map((subset) => subset(endpoints));
      for (const [client, chosen] of after.entries()) {
        const { left, joined } = turnover(before[client] ?? [], chosen);
        if (before[client]?.length === 0) continue; // the first
        expect(Math.max(left, joined)).toBeLessThanOrEqual(1);
        changes += Math.max(left, joined);
      }
      before = after;
    }
    expect(changes).toBeGreaterThan(1_000);
  });

  test("spreads clients as independent draws would", () => {
    for (const [clients, size, count] of [
      [100, 5, 100],
      [100, 20, 100],
      [1_000, 20, 300],
    ] as const) {
      const subsets = Array.from({ length: clients }, (_, id) => rendezvousSubset({ size, clientId: `web-${id}` }));
      const { variation, min } = spread(subsets, pods(count));
      const share = size / count;
      const binomial = Math.sqrt((1 - share) / (clients * share));
      expect(variation / binomial).toBeGreaterThan(0.8);
      expect(variation / binomial).toBeLessThan(1.2);
      if (size > 5) expect(min).toBeGreaterThan(0);
    }
  });

  test("is that of the pod's name, else of the process", () => {
    const endpoints = pods(100);
    const of = (clientId?: string) =>
      keysOf(rendezvousSubset({ size: 10, ...(clientId === undefined ? {} : { clientId }) })(endpoints));
    vi.stubEnv("POD_NAME", "web-7f9c-x2x1");
    expect(of()).toEqual(of("web-7f9c-x2x1"));
    expect(of("web-7f9c-zzzz")).not.toEqual(of());
    vi.stubEnv("POD_NAME", "");
    expect(of()).toEqual(of(`${hostname()}-${process.pid}`));
  });

  test("refuses options that are none, naming them", () => {
    expect(() => rendezvousSubset({ size: 0 })).toThrow(/^size: expected an integer from 1/);
    expect(() => rendezvousSubset({ size: 2.5 })).toThrow(RangeError);
    expect(() => rendezvousSubset({ size: "5" as never })).toThrow(TypeError);
    expect(() => rendezvousSubset({} as never)).toThrow(/^size: /);
    expect(() => rendezvousSubset({ size: 5, clientId: "" })).toThrow(/^clientId: /);
    expect(() => rendezvousSubset({ size: 5, clientId: 5 as never })).toThrow(/^clientId: expected a string/);
    expect(() => rendezvousSubset({ size: 5, seed: 1 } as never)).toThrow(/^seed: no option of rendezvousSubset/);
  });
});
