import { type Random, randomInt } from "../random.ts";

/** Where a turn stands. */
export interface Turn {
  readonly position: number;
  /** How many have a turn. */
  readonly count: number;
}

/**
 * Where the turn goes on among `count` candidates: anywhere at first, then where it was.
 *
 * Where there are more than before, it is as likely to be anywhere among all of them as it would be had they all been
 * there at first: else many clients, which connect to the same endpoints first, would go round together.
 */
export function nextPosition(previous: Turn | undefined, count: number, random: Random): number {
  if (previous === undefined) return randomInt(random, count);
  if (count <= previous.count) return previous.position % count;
  const isKept = random() * count < previous.count;
  return isKept ? previous.position : previous.count + randomInt(random, count - previous.count);
}
