import { type Clock, jitter, type Random, type Timer } from "@evenkeel/core";

/** What a sound watch tells, it tells within this time (milliseconds), ±50 %. */
const graceMs = 500;

/** Doubts come true no more often than this (milliseconds), twice as long after each. */
const firstIntervalMs = 10_000;
const longestIntervalMs = 300_000;

/**
 * Whether a watch may be believed that is silent while connections say that something changed. GOAWAY is no proof, since
 * servers retire connections in everyday work: the more often a doubt came true, the rarer the next one does, until the
 * watch tells of changes again.
 */
export class Doubt {
  readonly #clock: Clock;
  readonly #random: Random;
  #timer: Timer | undefined;
  #intervalMs = firstIntervalMs;
  #confirmedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Calls `confirmed` unless the watch says something soon, by `heardAt`. */
  raise(heardAt: () => number, confirmed: () => void): void {
    if (this.#timer !== undefined) return;
    const raisedAt = this.#clock.now();
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined;
        const now = this.#clock.now();
        if (heardAt() >= raisedAt || now - this.#confirmedAt < this.#intervalMs) return;
        this.#confirmedAt = now;
        this.#intervalMs = Math.min(2 * this.#intervalMs, longestIntervalMs);
        confirmed();
      },
      jitter(this.#random, graceMs, 0.5),
    );
  }

  /** The watch told of a change. */
  dispel(): void {
    this.#intervalMs = firstIntervalMs;
  }

  end(): void {
    this.#timer?.cancel();
  }
}
