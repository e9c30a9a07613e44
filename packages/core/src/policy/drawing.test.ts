import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, weightsInOrder } from "../../test-helpers/candidates.ts";
import { Drawing } from "./drawing.ts";
import { evenWeights, type Weights, weightsOf } from "./weights.ts";

function weightsFrom(values: readonly number[]): Weights {
  return weightsOf(candidates(values.length), { weightOf: weightsInOrder(values) });
}

/** Draws a million times; compares shares with `expected`, which sum up to 1. */
function expectShares(draw: () => number, expected: readonly number[]): void {
  const draws = 1_000_000;
  const counts = expected.map(() => 0);
  for (let each = 0; each < draws; each++) {
    const index = draw();
    counts[index] = (counts[index] as number) + 1;
  }
  for (const [index, share] of expected.entries()) {
    // 5 standard deviations of a binomial distribution
    const bound = 5 * Math.sqrt(draws * share * (1 - share)) + 1;
    expect(Math.abs((counts[index] as number) - draws * share)).toBeLessThan(bound);
  }
}

describe("drawing", () => {
  test("is even without weights", () => {
    const drawing = new Drawing(evenWeights(10), seededRandom(1));
    expectShares(() => drawing.draw(), new Array<number>(10).fill(0.1));
  });

  test.each([
    [[1, 2, 3, 4]],
    [[1, 1, 1, 997]],
    [[0.1, 5, 5]],
    [[1e-9, 1, 1e9]],
    [Array.from({ length: 50 }, (_, index) => 1 + ((index * 7) % 13))],
  ])("is in proportion to weights: %j", (values) => {
    const drawing = new Drawing(weightsFrom(values), seededRandom(2));
    const total = values.reduce((sum, value) => sum + value, 0);
    expectShares(
      () => drawing.draw(),
      values.map((value) => value / total),
    );
  });

  test("gives two that are distinct, the second in proportion to the weights of the others", () => {
    const values = [1, 2, 3];
    const drawing = new Drawing(weightsFrom(values), seededRandom(3));
    // P(second = 0) = 2/6 × 1/4 + 3/6 × 1/3, and so on
    const second = [1 / 12 + 1 / 6, (1 / 6) * (2 / 5) + (3 / 6) * (2 / 3), (1 / 6) * (3 / 5) + (2 / 6) * (3 / 4)];
    expectShares(() => drawing.other(drawing.draw()), second);
    for (let each = 0; each < 100_000; each++) {
      const one = drawing.draw();
      expect(drawing.other(one)).not.toBe(one);
    }
  });

  test("gives as many distinct ones as there are, however the weights are", () => {
    const random = seededRandom(4);
    for (let round = 0; round < 2_000; round++) {
      const count = 2 + Math.floor(random() * 30);
      const values = Array.from({ length: count }, () => 10 ** (12 * random()));
      const drawing = new Drawing(random() < 0.3 ? evenWeights(count) : weightsFrom(values), random);
      for (let again = 0; again < 3; again++) {
        const drawn = [drawing.first()];
        while (drawn.length < count) drawn.push(drawing.another());
        expect(new Set(drawn).size).toBe(count);
      }
      const one = drawing.draw();
      expect(drawing.other(one)).not.toBe(one);
    }
  });

  test("gives distinct ones whatever the random numbers are", () => {
    for (const number of [0, 2 ** -32, 0.5, 1 - 2 ** -32]) {
      const drawing = new Drawing(evenWeights(3), () => number);
      expect(new Set([drawing.first(), drawing.another(), drawing.another()]).size).toBe(3);
      const one = drawing.draw();
      expect(drawing.other(one)).not.toBe(one);
    }
  });
});
