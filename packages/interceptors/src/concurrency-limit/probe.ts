/** RPCs that a measurement takes at least, and how often its places are filled anew. */
const leastRpcs = 30;
const rounds = 3;
/** A probe gives up after so many of the round trips that were usual before it, so that slow RPCs cannot hold it. */
const patience = 20;
const leastPatienceMs = 10;

/**
 * Measures how long RPCs take when none of them waits for another: while it lasts, only `bound` of them are let in.
 *
 * By Little's law: the time that RPCs spent in the server, over the number that left it. The mean of those that have
 * ended would be too low, since the short ones end first.
 */
export class Probe {
  readonly bound: number;
  readonly startedMs: number;
  readonly #endsMs: number;
  /** Since when no more than `bound` have been open. */
  #drainedMs: number | undefined;
  #lastMs: number;
  #spentMs = 0;
  #left = 0;

  constructor(bound: number, nowMs: number, usualMs: number) {
    this.bound = bound;
    this.startedMs = nowMs;
    this.#endsMs = nowMs + patience * usualMs + leastPatienceMs;
    this.#lastMs = nowMs;
  }

  /** Time has passed with so many RPCs open. */
  pass(nowMs: number, open: number): void {
    if (this.#drainedMs !== undefined) this.#spentMs += open * (nowMs - this.#lastMs);
    else if (open <= this.bound) this.#drainedMs = nowMs;
    this.#lastMs = nowMs;
  }

  /** An RPC ended well. */
  leave(): void {
    if (this.#drainedMs !== undefined) this.#left++;
  }

  /** An RPC ended in a way that does not count: neither does the time that it spent. */
  forget(startedMs: number): void {
    if (this.#drainedMs !== undefined) this.#spentMs -= this.#lastMs - Math.max(startedMs, this.#drainedMs);
  }

  /** Whether it has given up. */
  isOver(nowMs: number): boolean {
    return nowMs >= this.#endsMs;
  }

  /** What was measured; `undefined` until it is enough. */
  get rttMs(): number | undefined {
    return this.#left >= Math.max(leastRpcs, rounds * this.bound) ? this.#spentMs / this.#left : undefined;
  }
}
