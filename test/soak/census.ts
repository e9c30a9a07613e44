import { createHook } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** What a channel may leave behind. */
const watched = new Set(["TCPWRAP", "Timeout"]);
const frames = 12;

/** What the process holds at one moment. */
export interface Sample {
  readonly atMs: number;
  /** After garbage collection, in bytes. */
  readonly heapBytes: number;
  readonly bufferBytes: number;
  readonly sockets: number;
  readonly timers: number;
}

/** Counts sockets and timers, also those that do not keep the process alive, with where each was made. */
export class Census {
  readonly #open = new Map<number, { readonly type: string; readonly at: Error }>();
  readonly #startedAt = performance.now();
  readonly #gc: () => unknown;
  #isOwn = false;
  readonly #hook = createHook({
    init: (id, type) => {
      if (this.#isOwn || !watched.has(type)) return;
      const limit = Error.stackTraceLimit;
      Error.stackTraceLimit = frames;
      this.#open.set(id, { type, at: new Error(type) }); // formatted only when somebody reads it
      Error.stackTraceLimit = limit;
    },
    destroy: (id) => void this.#open.delete(id),
    trackPromises: false,
  });

  /** `gc` collects all garbage. */
  constructor(gc: () => unknown) {
    this.#gc = gc;
    this.#hook.enable();
  }

  /** Takes a sample. Counts are the least within a second: what comes and goes by itself does not count. */
  async sample(): Promise<Sample> {
    let sockets = Number.POSITIVE_INFINITY;
    let timers = Number.POSITIVE_INFINITY;
    let heapBytes = Number.POSITIVE_INFINITY;
    let bufferBytes = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 10; round++) {
      await this.#sleep(100);
      sockets = Math.min(sockets, this.#count("TCPWRAP"));
      timers = Math.min(timers, this.#count("Timeout"));
      if (round < 6) continue;
      this.#gc();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      heapBytes = Math.min(heapBytes, heapUsed);
      bufferBytes = Math.min(bufferBytes, arrayBuffers);
    }
    return { atMs: performance.now() - this.#startedAt, heapBytes, bufferBytes, sockets, timers };
  }

  /** Waits until nothing is open, at most `limitMs`; tells what is open then. */
  async untilEmpty(limitMs: number): Promise<readonly string[]> {
    const endsAt = performance.now() + limitMs;
    while (this.#open.size > 0 && performance.now() < endsAt) await this.#sleep(20);
    this.#hook.disable();
    return [...this.#open.values()].map(({ type, at }) => {
      const stack = (at.stack ?? "")
        .split("\n")
        .slice(1)
        .map((frame) => frame.trim());
      return `${type} made ${stack
        .filter((frame) => !frame.includes("node:internal"))
        .slice(0, 6)
        .join(" ")}`;
    });
  }

  /** A sleep whose timer does not count. */
  #sleep(ms: number): Promise<void> {
    this.#isOwn = true;
    const slept = sleep(ms);
    this.#isOwn = false;
    return slept;
  }

  #count(type: string): number {
    let count = 0;
    for (const each of this.#open.values()) if (each.type === type) count++;
    return count;
  }
}
