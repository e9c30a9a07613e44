/** Lets the event loop go round as often as a timeout that ends something waits for it (`afterPoll`). */
export async function eventLoopTurns(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
