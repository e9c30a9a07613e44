import type { Clock } from "../clock.ts";

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** Retries that each RPC pays for. Default 0.2. */
  readonly ratio?: number;
  /** Retries per second that are free. Default 10. */
  readonly minPerSecond?: number;
}

/** Free retries are saved up for this long. */
const reserveSeconds = 10;
/** Room for what RPCs pay in, also where few retries are free or none. */
const leastRoom = 10;

/**
 * Bounds how much retries add to the load, so that they cannot bring down what is left of a service: a share of the
 * RPCs, and a few per second. (Finagle's RetryBudget.)
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #minPerSecond: number;
  #balance: number;
  #refilledAt: number;

  constructor(options: RetryBudgetOptions) {
    this.#clock = options.clock;
    this.#ratio = options.ratio ?? 0.2;
    this.#minPerSecond = options.minPerSecond ?? 10;
    this.#balance = this.#minPerSecond * reserveSeconds;
    this.#refilledAt = this.#clock.now();
  }

  /** An RPC began. */
  deposit(): void {
    this.#add(this.#ratio);
  }

  /** Whether a retry is within the budget; it is paid for then. */
  withdraw(): boolean {
    const now = this.#clock.now();
    this.#add(((now - this.#refilledAt) / 1_000) * this.#minPerSecond);
    this.#refilledAt = now;
    if (this.#balance < 1) return false;
    this.#balance--;
    return true;
  }

  /** What many RPCs paid in is kept for one burst, and not for ever. */
  #add(amount: number): void {
    this.#balance = Math.min(this.#balance + amount, Math.max(this.#minPerSecond * reserveSeconds, leastRoom));
  }
}
