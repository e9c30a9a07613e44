import type { Clock, Timer } from "../clock.ts";

/** The most that a block of our own event loop counts for. */
const sliceMs = 500;

/**
 * Calls back after `ms` milliseconds in which our own event loop turned: while it is blocked nothing can arrive, and who
 * is waited for is not late.
 */
export function setPatientTimeout(clock: Clock, callback: () => void, ms: number): Timer {
  let leftMs = ms;
  let timer: Timer;
  const wait = (): void => {
    const slice = Math.min(leftMs, sliceMs);
    leftMs -= slice;
    timer = clock.setTimeout(leftMs > 0 ? wait : callback, slice);
  };
  wait();
  return { cancel: () => timer.cancel() };
}
