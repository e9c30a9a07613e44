import type { Clock } from "../clock.ts";
import { checkKeys, numberOption } from "../options.ts";

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** Retries that each RPC pays for, from 0 to 10. Default 0.2. */
  readonly ratio?: number;
  /** Retries per second that are free, from 0 to 1 000 000. Default 10. */
  readonly minPerSecond?: number;
}

/** Free retries are saved up for this long. */
const reserveSeconds = 10;
/** Room for what RPCs pay in, also where few retries are free or none. */
const leastRoom = 10;

/**
 * Bounds how much retries and hedges add to the load, so that they cannot bring down what is left of a service: a share
 * of the RPCs, and a few per second. (Finagle's RetryBudget.)
 */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #minPerSecond: number;
  readonly #room: number;
  #balance: number;
  #refilledAt: number;

  /** Throws a `TypeError` or `RangeError` that names the option. */
  constructor({ clock, ...options }: RetryBudgetOptions) {
    checkKeys("retryBudget", options, ["ratio", "minPerSecond"]);
    const { ratio = 0.2, minPerSecond = 10 } = options;
    this.#clock = clock;
    this.#ratio = numberOption("retryBudget.ratio", ratio, { min: 0, max: 10 });
    this.#minPerSecond = numberOption("retryBudget.minPerSecond", minPerSecond, { min: 0, max: 1_000_000 });
    this.#balance = this.#minPerSecond * reserveSeconds;
    this.#room = Math.max(this.#balance, leastRoom);
    this.#refilledAt = clock.now();
  }

  /** An RPC began. */
  deposit(): void {
    this.#add(this.#ratio);
  }

  /**
   * Whether a retry is within the budget; it is paid for then. `keep` is the share of what the budget holds at most that
   * is left to others, for what is less urgent than a retry. Default 0.
   */
  withdraw(keep = 0): boolean {
    const now = this.#clock.now();
    this.#add(((now - this.#refilledAt) / 1_000) * this.#minPerSecond);
    this.#refilledAt = now;
    if (this.#balance - 1 < keep * this.#room) return false;
    this.#balance--;
    return true;
  }

  /** What many RPCs paid in is kept for one burst, and not for ever. */
  #add(amount: number): void {
    this.#balance = Math.min(this.#balance + amount, this.#room);
  }
}
