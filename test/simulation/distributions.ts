import type { Random } from "@evenkeel/core";

/** Draws a time in milliseconds. */
export type Distribution = (random: Random) => number;

export function constant(valueMs: number): Distribution {
  return () => valueMs;
}

export function exponential(meanMs: number): Distribution {
  return (random) => -Math.log(1 - random()) * meanMs;
}

/** `sigma` is that of the logarithm: with 1.5, one in a hundred is 11 times the mean, one in a thousand 33 times. */
export function lognormal(meanMs: number, sigma: number): Distribution {
  const mu = Math.log(meanMs) - sigma ** 2 / 2;
  // Box and Muller, 1958
  return (random) => Math.exp(mu + sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}
