import { ConnectError } from "@connectrpc/connect";
import { backoffDelay, type Clock, type Connection, type Random, type RetryBudget } from "@evenkeel/core";
import type { BrokenEnd } from "./errors.ts";

/** Attempts of an idempotent RPC whose fate stays ambiguous. */
const maxAmbiguousAttempts = 3;
/** Attempts of an RPC whose streams are refused. */
const maxRefusedAttempts = 5;
const refusedStream = 7;
/** How long connections may go on not taking an RPC, in milliseconds; its deadline may be earlier. */
const maxTransparentMs = 30_000;
const retryBackoff = { initialMs: 10, multiplier: 2, maxMs: 1_000, jitter: 0.2 };

export interface TriesOptions {
  readonly isIdempotent: boolean;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** When the RPC began, by the clock. */
  readonly startedMs: number;
}

/**
 * Decides whether an RPC is sent again, and when: that must not make it happen twice (its fate is `unsent` or
 * `unprocessed`), unless it may (it is `ambiguous`, and the method is idempotent).
 */
export class Tries {
  readonly #options: TriesOptions;
  readonly #endpoints = new Set<string>();
  #attempts = 0;
  #unsent = 0;
  #refused = 0;
  #ambiguous = 0;

  constructor(options: TriesOptions) {
    this.#options = options;
  }

  /** Keys of the endpoints that were tried. */
  get endpoints(): ReadonlySet<string> {
    return this.#endpoints;
  }

  /** Milliseconds to wait before the next attempt; `undefined` when there is none. */
  waitBeforeNext({ endpoint }: Connection, { fate, errorCode }: BrokenEnd): number | undefined {
    this.#attempts++;
    this.#endpoints.add(endpoint.key);
    const { isIdempotent, budget, clock, startedMs } = this.#options;
    if (fate === "ambiguous") {
      const may = isIdempotent && ++this.#ambiguous < maxAmbiguousAttempts;
      return may && budget.withdraw() ? 0 : undefined;
    }
    if (clock.now() - startedMs > maxTransparentMs) return undefined;
    if (fate === "unsent") return this.#backoff(this.#unsent++);
    if (errorCode !== refusedStream) return 0;
    return this.#refused + 1 < maxRefusedAttempts ? this.#backoff(this.#refused++) : undefined;
  }

  /** The error of the call: that of its last attempt, and how many there were. */
  describe(error: ConnectError, note?: string): ConnectError {
    if (this.#attempts === 1 && note === undefined) return error;
    const notes = [
      ...(this.#attempts > 1 ? [`${this.#attempts} attempts`] : []),
      ...(note === undefined ? [] : [note]),
    ];
    const message = `${error.rawMessage} (${notes.join("; ")})`;
    return new ConnectError(message, error.code, error.metadata, undefined, error.cause);
  }

  /** None before the first retry, then growing. */
  #backoff(retries: number): number {
    return retries === 0 ? 0 : backoffDelay(retries, this.#options.random, retryBackoff);
  }
}
