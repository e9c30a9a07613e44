import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { jitter, randomInt, systemRandom } from "./random.ts";

describe("random numbers", () => {
  test("are integers of [0, bound), each as likely as the others", () => {
    const random = seededRandom(1);
    const counts = new Map<number, number>();
    for (let draw = 0; draw < 6_000; draw++) {
      const drawn = randomInt(random, 6);
      counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  test("of the process are in [0, 1)", () => {
    for (let draw = 0; draw < 100; draw++) {
      const drawn = systemRandom();
      expect(drawn >= 0 && drawn < 1).toBe(true);
    }
  });
});

describe("jitter", () => {
  test("spreads a value over ± the ratio", () => {
    expect(jitter(() => 0, 1_000, 0.2)).toBe(800);
    expect(jitter(() => 0.5, 1_000, 0.2)).toBe(1_000);
    expect(jitter(() => 0.75, 1_000, 0.2)).toBe(1_100);
    expect(jitter(() => 0.9, 1_000, 0)).toBe(1_000);
  });
});
