/** RPCs at a steady rate, however fast they are answered. */
export interface Load {
  /** RPCs that were sent and are not over. */
  readonly underWay: number;
  /** Sends no more; resolves when those under way are over. */
  stop(): Promise<void>;
}

/** Calls `send` `rate` times a second, until `stop`. `send` must not reject. */
export function startLoad(rate: number, send: () => Promise<void>): Load {
  const startedAt = performance.now();
  const underWay = new Set<Promise<void>>();
  let sent = 0;
  let timer: NodeJS.Timeout;
  const sendDue = (): void => {
    // reckoned from the start: what a late timer delayed is sent at once, and nothing drifts
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * rate);
    for (; sent < due; sent++) {
      const rpc: Promise<void> = send().then(() => void underWay.delete(rpc));
      underWay.add(rpc);
    }
    timer = setTimeout(sendDue, Math.max(1, 1_000 / rate));
  };
  sendDue();
  return {
    get underWay() {
      return underWay.size;
    },
    async stop() {
      clearTimeout(timer);
      await Promise.all(underWay);
    },
  };
}
