import { jitter, type Random } from "../random.ts";

/** How long to wait between attempts that fail in a row. Units: milliseconds. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly multiplier: number;
  readonly maxMs: number;
  /** Each delay is spread evenly over ± this share of itself. */
  readonly jitter: number;
}

/** gRPC's connection backoff (doc/connection-backoff.md), with a maximum of 10 s for its 120 s. */
export const connectionBackoff: BackoffOptions = { initialMs: 1_000, multiplier: 1.6, maxMs: 10_000, jitter: 0.2 };

/** The delay after `failures` (1 or more) in a row. */
export function backoffDelay(failures: number, random: Random, options: BackoffOptions = connectionBackoff): number {
  const delay = Math.min(options.initialMs * options.multiplier ** (failures - 1), options.maxMs);
  return jitter(random, delay, options.jitter);
}
