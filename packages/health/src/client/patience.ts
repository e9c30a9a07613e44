import { type Clock, setPatientTimeout, type Timer } from "@evenkeel/core";

/**
 * Calls back after `ms` milliseconds and one further poll of our own event loop: what has arrived by then is read first,
 * and who is waited for is not late because we were.
 */
export function afterPatience(clock: Clock, callback: () => void, ms: number): Timer {
  let isCancelled = false;
  const decide = (): void => {
    if (!isCancelled) callback();
  };
  // an immediate runs behind the poll of this turn, and the second one behind that of the next
  const timer = setPatientTimeout(clock, () => setImmediate(() => setImmediate(decide)), ms);
  return {
    cancel() {
      isCancelled = true;
      timer.cancel();
    },
  };
}
