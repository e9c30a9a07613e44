import { type Clock, maxDelayMs, type Random, type Timer } from "../clock.ts";
import { jitterOf } from "../jitter.ts";

export interface MaxAgeSettings {
  readonly maxConnectionAgeMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Tells when a connection has reached its maximum age, ±10 %, drawn once for each connection. */
export class MaxAge {
  readonly #settings: MaxAgeSettings;
  readonly #onReached: () => void;
  readonly #since: number;
  readonly #factor: number;
  #timer: Timer | undefined;

  constructor(settings: MaxAgeSettings, onReached: () => void) {
    this.#settings = settings;
    this.#onReached = onReached;
    this.#since = settings.clock.now();
    this.#factor = jitterOf(settings.random);
    this.review();
  }

  /** The setting may have changed. */
  review(): void {
    this.stop();
    const { maxConnectionAgeMs, clock } = this.#settings;
    if (maxConnectionAgeMs === Number.POSITIVE_INFINITY) return;
    const age = Math.min(maxConnectionAgeMs * this.#factor, maxDelayMs);
    this.#timer = clock.setTimeout(this.#onReached, Math.max(0, this.#since + age - clock.now()));
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
