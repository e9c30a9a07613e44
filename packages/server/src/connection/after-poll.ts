/**
 * Calls back after one further poll of the event loop: a timer that fired may only mean that our own loop was blocked,
 * and what has arrived by then is to be read first.
 */
export function afterPoll(callback: () => void): void {
  // an immediate runs behind the poll of this turn, and the second one behind that of the next
  setImmediate(() => setImmediate(callback));
}
