import { seededRandom } from "@evenkeel/testing";

export type Random = ReturnType<typeof seededRandom>;

/** What decides on one input: the same for the same seed and index. */
export function randomOf(seed: number, index: number): Random {
  return seededRandom(seed * 2 ** 32 + index);
}

/** 0 to `below` - 1; 0 where `below` is. */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random() * below);
}
