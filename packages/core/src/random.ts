/** Returns a number in [0, 1). Where core gets its randomness from; seeded in tests. */
export type Random = () => number;

/** The random numbers of the process; not for secrets. */
export const systemRandom: Random = () => Math.random();

/** An integer in [0, bound). */
export function randomInt(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

/** `value` spread evenly over ±`ratio`: `jitter(random, 1000, 0.2)` is in [800, 1200). */
export function jitter(random: Random, value: number, ratio: number): number {
  return value * (1 + ratio * (2 * random() - 1));
}
