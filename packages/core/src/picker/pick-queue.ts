import type { Clock, Timer } from "../clock.ts";
import type { Connection } from "../connection/connection.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { PickInfo } from "./picker.ts";

/** Gets the result of a pick: exactly one of the two, once. A stream opened in `picked` counts for the next pick. */
export interface PickHandler {
  picked(connection: Connection): void;
  failed(error: Error): void;
}

/** What an RPC that waits is told. */
export type QueueResult =
  | { readonly kind: "complete"; readonly connection: Connection }
  | { readonly kind: "queue" }
  | { readonly kind: "fail" | "drop"; readonly error: Error };

export interface PickQueueOptions {
  readonly clock: Clock;
  /** Longest wait in milliseconds; `Infinity` leaves it to the RPC's own deadline. */
  readonly timeoutMs: number;
  /** Most RPCs that may wait. */
  readonly maxLength: number;
  /** Called before an RPC fails that waited too long: it may be served yet. */
  readonly beforeTimeout?: () => void;
  /** What RPCs wait for, for the message of those that waited too long. */
  readonly describe: () => string;
}

interface Entry {
  readonly info: PickInfo;
  readonly handler: PickHandler;
  /** Frees the entry's timer and abort listener. */
  readonly release: () => void;
}

/** The one place where an RPC waits: first in, first out, bounded in time and number. */
export class PickQueue {
  readonly #options: PickQueueOptions;
  readonly #entries = new Set<Entry>();

  constructor(options: PickQueueOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.size;
  }

  /** Waits for `drain` to find a connection; fails with `signal.reason` as soon as `signal` aborts. */
  add(info: PickInfo, handler: PickHandler, signal: AbortSignal | undefined): void {
    const { clock, timeoutMs, maxLength, beforeTimeout, describe } = this.#options;
    if (signal?.aborted === true) {
      handler.failed(signal.reason); // no event would come
      return;
    }
    if (this.#entries.size >= maxLength) {
      handler.failed(
        new StatusError(StatusCode.resourceExhausted, `${maxLength} RPCs wait for a connection already: ${describe()}`),
      );
      return;
    }
    const onAbort = (): void => this.#fail(entry, signal?.reason);
    // this timer is what keeps the process alive while an RPC waits
    const timer: Timer = clock.setTimeout(
      () => {
        beforeTimeout?.();
        if (!this.#entries.has(entry)) return;
        const message = `waited ${timeoutMs} ms for a connection: ${describe()}`;
        this.#fail(entry, new StatusError(StatusCode.unavailable, message));
      },
      timeoutMs,
      { ref: true },
    );
    const release = (): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
    };
    const entry: Entry = { info, handler, release };
    this.#entries.add(entry);
    signal?.addEventListener("abort", onAbort, { once: true });
  }

  /**
   * Offers waiting RPCs to `pick`, oldest first; those that still get no connection stay. `undefined` says that none
   * of the others would get one.
   */
  drain(pick: (info: PickInfo) => QueueResult | undefined): void {
    // an iterator of a Set passes over what handlers take out, and comes to what they add
    for (const entry of this.#entries) {
      const result = pick(entry.info);
      if (result === undefined) return;
      if (result.kind === "complete") {
        this.#remove(entry);
        entry.handler.picked(result.connection);
      } else if (result.kind !== "queue") {
        this.#fail(entry, result.error);
      }
    }
  }

  failAll(error: Error): void {
    for (const entry of [...this.#entries]) this.#fail(entry, error);
  }

  #remove(entry: Entry): boolean {
    entry.release();
    return this.#entries.delete(entry);
  }

  #fail(entry: Entry, error: Error): void {
    if (this.#remove(entry)) entry.handler.failed(error);
  }
}
