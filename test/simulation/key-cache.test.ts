import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { KeyCache, zipf } from "./key-cache.ts";

const keys = { count: 100, skew: 1, cachedPerPod: 2, hitCost: 0.1 };

test("the n-th key is drawn 1 / n times as often as the first", () => {
  const draw = zipf(keys);
  const random = seededRandom(1);
  const counts = new Map<string, number>();
  for (let drawn = 0; drawn < 100_000; drawn++) {
    const key = draw(random);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const first = counts.get("key-0") ?? 0;
  for (const rank of [2, 5, 20]) expect((counts.get(`key-${rank - 1}`) ?? 0) / (first / rank)).toBeCloseTo(1, 0.5);
  expect(counts.size).toBe(100);
});

test("a cache keeps the keys that were asked for last", () => {
  const cache = new KeyCache(keys);
  expect(["a", "b", "a", "c", "a", "b"].map((key) => cache.costOf(key))).toEqual([1, 1, 0.1, 1, 0.1, 1]);
});
