import type { Random } from "./clock.ts";

const jitter = 0.1;

/** @returns a factor that spreads ages by ±10 % */
export function jitterOf(random: Random): number {
  return 1 - jitter + 2 * jitter * random();
}
