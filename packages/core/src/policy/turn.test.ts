import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { nextPosition } from "./turn.ts";

test("a turn begins anywhere", () => {
  const random = seededRandom(1);
  const starts = new Set(Array.from({ length: 200 }, () => nextPosition(undefined, 8, random)));
  expect([...starts].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("a turn goes on where it was among as many, or fewer", () => {
  const random = seededRandom(1);
  expect(nextPosition({ position: 3, count: 8 }, 8, random)).toBe(3);
  expect(nextPosition({ position: 6, count: 8 }, 5, random)).toBe(1);
});

test("turns of many clients are spread over all, however few were there at first", () => {
  const random = seededRandom(2);
  const counts = new Array<number>(40).fill(0);
  for (let client = 0; client < 40_000; client++) {
    let position = nextPosition(undefined, 1, random);
    for (let count = 2; count <= 40; count++) position = nextPosition({ position, count: count - 1 }, count, random);
    counts[position] = (counts[position] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
