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
      lifecycle.shutdown({ force: true }).catch(() => {}); // told by the first
      return;
    }
    signalled = true;
    const finish = (code: 0 | 1): void => {
      remove();
      if (code === 1) process.exitCode = code;
      if (exit) process.exit(code);
    };
    lifecycle.shutdown().then(
      () => finish(0),
      (error: unknown) => {
        console.error(error);
        finish(1);
      },
    );
  };
  const remove = (): void => {
    for (const signal of signals) process.off(signal, handle);
  };
  for (const signal of signals) process.on(signal, handle);
  return remove;
}
