import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import type { Random } from "../random.ts";
import { WeightedTurn } from "./weighted-turn.ts";

const shapes: Readonly<Record<string, (random: Random) => number>> = {
  even: (random) => 0.01 + random(),
  "of a heavy tail": (random) => (1 - random()) ** -1.5,
  "a million times as large as others": (random) => 10 ** (6 * random()),
};

function turnOf(weights: readonly number[], seed: number): WeightedTurn {
  return new WeightedTurn(weights, seededRandom(seed));
}

function take(turn: WeightedTurn, times: number): number[] {
  return Array.from({ length: times }, () => turn.next());
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe("a weighted turn", () => {
  test.each(Object.entries(shapes))("gives each its share at every time, with weights that are %s", (_name, weight) => {
    for (const count of [1, 2, 3, 10, 100, 1_000]) {
      const random = seededRandom(count);
      const weights = Array.from({ length: count }, () => weight(random));
      const total = sum(weights);
      const turn = new WeightedTurn(weights, random);
      const counts = new Array<number>(count).fill(0);
      for (let picks = 1; picks <= 50_000; picks++) {
        const index = turn.next();
        counts[index] = (counts[index] as number) + 1;
        if (picks % 4_999 !== 0) continue;
        // random draws would be off by 150 at an even share of two
        for (const [each, value] of counts.entries()) {
          expect(Math.abs(value - (picks * (weights[each] as number)) / total)).toBeLessThan(30);
        }
      }
    }
  });

  test("gives each its share of a million picks, to the pick", () => {
    const weights = [1, 2, 3, 4, 90, 900];
    const counts = new Array<number>(weights.length).fill(0);
    for (const index of take(turnOf(weights, 3), 1_000_000)) counts[index] = (counts[index] as number) + 1;
    for (const [index, weight] of weights.entries())
      expect(Math.abs((counts[index] as number) - weight * 1_000)).toBeLessThan(4);
  });

  test("serves all of equal weight before it serves one again", () => {
    for (let seed = 0; seed < 20; seed++) {
      const order = take(turnOf(new Array<number>(7).fill(4), seed), 7);
      expect(new Set(order).size).toBe(7);
      expect(take(turnOf(new Array<number>(7).fill(4), seed), 28)).toEqual([...order, ...order, ...order, ...order]);
    }
  });

  test("comes in no bursts", () => {
    for (let seed = 0; seed < 50; seed++) {
      // as few as can be between two of it would be none: its share is a half
      const order = take(turnOf([6, 1, 1, 1, 1, 1, 1], seed), 1_200).join("");
      expect(order).not.toMatch(/0{5}|[1-6]{5}/);
      // a light one is due every 12 picks
      for (let index = 1; index <= 6; index++) {
        const gaps = order
          .split(String(index))
          .slice(1, -1)
          .map((between) => between.length + 1);
        expect(Math.min(...gaps)).toBeGreaterThanOrEqual(8);
        expect(Math.max(...gaps)).toBeLessThanOrEqual(16);
      }
    }
  });

  test("begins with each by its share, so that turns may be made anew all the time", () => {
    const random = seededRandom(8);
    for (const weights of [
      [1, 1, 1, 1, 1],
      [1, 2, 3, 4],
      [10, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]) {
      const counts = new Array<number>(weights.length).fill(0);
      const turns = 50_000;
      for (let each = 0; each < turns; each++) {
        const index = new WeightedTurn(weights, random).next();
        counts[index] = (counts[index] as number) + 1;
      }
      for (const [index, weight] of weights.entries()) {
        const expected = (turns * weight) / sum(weights);
        expect(Math.abs((counts[index] as number) - expected) / expected).toBeLessThan(0.15);
      }
    }
  });

  test("passes over one whose weight is next to nothing", () => {
    expect(new Set(take(turnOf([1, 1e-300, 2, Number.MIN_VALUE], 5), 100_000))).toEqual(new Set([0, 2]));
  });

  test("goes by the ratios of weights that are as large, or as small, as numbers can be", () => {
    for (const unit of [Number.MAX_VALUE / 2, Number.MIN_VALUE]) {
      const order = take(turnOf([unit, 2 * unit], 5), 30);
      expect(order.filter((index) => index === 0)).toHaveLength(10);
    }
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses %d", (weight) => {
    const refused = () => turnOf([1, weight, 1], 1);
    expect(refused).toThrow(RangeError);
    expect(refused).toThrow(`weights: expected finite numbers above 0, got ${weight}`);
  });
});
