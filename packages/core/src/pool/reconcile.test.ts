import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { keysOf, pod, pods, shuffled, subsetOf } from "../../test-helpers/endpoints.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { reconcile } from "./reconcile.ts";

const byKey = (endpoints: readonly Endpoint[]): Map<string, Endpoint> =>
  new Map(endpoints.map((endpoint) => [endpoint.key, endpoint]));

describe("reconcile", () => {
  test("tells what came, what changed and what left", () => {
    const [one, two, three, four] = [pod(1), pod(2), pod(3), pod(4)];
    const changed = pod(2, { weight: 5 });
    const changes = reconcile(byKey([one, two, three]), [four, changed, one]);
    expect(changes).toEqual({ added: [four], updated: [changed], removed: [three] });
  });

  test("keeps the first of endpoints with the same key", () => {
    const first = pod(1, { weight: 1 });
    const second = pod(1, { weight: 2 });
    expect(reconcile(new Map(), [first, second]).added).toEqual([first]);
    expect(reconcile(byKey([first]), [first, second])).toEqual({ added: [], updated: [], removed: [] });
  });

  test("turns any set into any other, touching each endpoint at most once", () => {
    const random = seededRandom(7);
    const universe = pods(12);
    for (let round = 0; round < 2_000; round++) {
      const before = byKey(subsetOf(random, universe));
      const next = shuffled(random, subsetOf(random, universe)).map((endpoint) =>
        random() < 0.3 ? { ...endpoint, weight: 2 } : endpoint,
      );
      const { added, updated, removed } = reconcile(before, next);

      const after = new Map(before);
      for (const { key } of removed) expect(after.delete(key)).toBe(true);
      for (const endpoint of updated) expect(after.get(endpoint.key)).not.toBe(endpoint);
      for (const endpoint of added) expect(after.has(endpoint.key)).toBe(false);
      for (const endpoint of [...added, ...updated]) after.set(endpoint.key, endpoint);

      expect(after).toEqual(byKey(next));
      const touched = keysOf([...added, ...updated, ...removed]);
      expect(new Set(touched).size).toBe(touched.length);
    }
  });

  test("changes nothing for the same set in another order", () => {
    const random = seededRandom(8);
    const set = pods(10);
    for (let round = 0; round < 50; round++) {
      expect(reconcile(byKey(set), shuffled(random, set))).toEqual({ added: [], updated: [], removed: [] });
    }
  });
});
