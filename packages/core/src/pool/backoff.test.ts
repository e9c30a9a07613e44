import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { backoffDelay } from "./backoff.ts";

const middle = (): number => 0.5;

describe("backoffDelay", () => {
  test("grows from 1 s by 1.6 to 10 s", () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 100, 10_000].map((failures) => Math.round(backoffDelay(failures, middle)));
    expect(delays).toEqual([1_000, 1_600, 2_560, 4_096, 6_554, 10_000, 10_000, 10_000, 10_000]);
  });

  test("spreads each delay over ±20 % of it", () => {
    expect(backoffDelay(1, () => 0)).toBe(800);
    expect(backoffDelay(1, () => 1 - 2 ** -32)).toBeCloseTo(1_200);
    const random = seededRandom(3);
    const delays = Array.from({ length: 2_000 }, () => backoffDelay(20, random));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(8_000);
    expect(Math.min(...delays)).toBeLessThan(8_100);
    expect(Math.max(...delays)).toBeLessThan(12_000);
    expect(Math.max(...delays)).toBeGreaterThan(11_900);
  });

  test("takes other times", () => {
    const options = { initialMs: 10, multiplier: 2, maxMs: 35, jitter: 0 };
    expect([1, 2, 3].map((failures) => backoffDelay(failures, middle, options))).toEqual([10, 20, 35]);
  });
});
