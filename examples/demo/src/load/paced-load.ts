import type { Load, SendDue } from "./load.ts";

export interface PacedLoadOptions {
  /** RPCs per second. */
  readonly rate: number;
  readonly seconds: number;
  /** Of `performance.now()`. */
  readonly startedAt: number;
  readonly send: SendDue;
}

/** The longest delay of a timer: with a longer one it would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

/**
 * Offers RPCs at a fixed rate, however fast they are answered. Each is due at a time that is reckoned from the start:
 * what a late timer delayed is sent at once, and nothing drifts.
 */
export function startPacedLoad({ rate, seconds, startedAt, send }: PacedLoadOptions): Load {
  const underWay = new Set<Promise<void>>();
  const dueAt = (index: number): number => startedAt + (index * 1_000) / rate;
  let sent = 0;
  let timer: NodeJS.Timeout;
  const sendDue = (): void => {
    const now = performance.now();
    for (; dueAt(sent) <= now; sent++) {
      const rpc: Promise<void> = send(dueAt(sent)).then(() => void underWay.delete(rpc));
      underWay.add(rpc);
    }
    timer = setTimeout(sendDue, Math.min(dueAt(sent) - now, longestDelayMs));
  };
  sendDue();
  return {
    get progress() {
      return (performance.now() - startedAt) / (seconds * 1_000);
    },
    async stop() {
      clearTimeout(timer);
      await Promise.all(underWay);
    },
  };
}
