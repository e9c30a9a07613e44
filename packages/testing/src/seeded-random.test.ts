import { describe, expect, test } from "vitest";
import { seededRandom } from "./seeded-random.ts";

const draw = (seed: number, count: number): number[] => Array.from({ length: count }, seededRandom(seed));

describe("seededRandom", () => {
  test("repeats itself for a seed, and differs between neighbouring ones", () => {
    expect(draw(1, 100)).toEqual(draw(1, 100));
    const together = new Set([-1, 0, 1, 2, 2 ** 32, 2 ** 40 + 1].flatMap((seed) => draw(seed, 100)));
    expect(together.size).toBe(600);
  });

  test("keeps to [0, 1) and is spread evenly", () => {
    const buckets = new Array<number>(10).fill(0);
    for (const value of draw(7, 100_000)) {
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  test("refuses seeds that are no safe integers", () => {
    for (const seed of [0.5, Number.NaN, 2 ** 53]) expect(() => seededRandom(seed)).toThrow(RangeError);
  });
});
