import type { Lifecycle } from "./lifecycle.ts";

/** See `Lifecycle.shutdownOnSignals()`. */
export function onSignals(
  signals: readonly NodeJS.Signals[],
  lifecycle: Pick<Lifecycle, "shutdown">,
  exit: boolean,
): () => void {
  let signalled = false;
  const handle = (): void => {
    if (signalled) {
      void lifecycle.shutdown({ force: true });
      return;
    }
    signalled = true;
    void lifecycle.shutdown().then(() => {
      remove();
      if (exit) process.exit(0);
    });
  };
  const remove = (): void => {
    for (const signal of signals) process.off(signal, handle);
  };
  for (const signal of signals) process.on(signal, handle);
  return remove;
}
