import { setTimeout as sleep } from "node:timers/promises";

const periodMs = 20;

/**
 * Resolves to true once `condition` holds, and to false when it still does not after `limitMs`, if that is given.
 * Rejects with the reason of `signal` when that is aborted.
 */
export async function until(
  condition: () => boolean,
  signal: AbortSignal,
  limitMs = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  const endsAt = performance.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    if (condition()) return true;
    if (performance.now() >= endsAt) return false;
    await sleep(periodMs);
  }
}
