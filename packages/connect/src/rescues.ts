import type { RetryBudget } from "@evenkeel/core";

/** Rescues whose use is not known yet, or that were of none. */
const mostUnproven = 20;
/** Regained with each RPC. */
const regained = 0.02;
/** Of the retry budget, what is left to retries. */
const keptForRetries = 0.5;

/**
 * Bounds the further attempts of RPCs whose connection is suspect. A pod that computes for seconds looks like one that is
 * gone: then further attempts help nobody, and would take the load of one pod to the next. So each has to pay off: one
 * that answers first is free, and each that does not is one less for those that follow.
 */
export class Rescues {
  readonly #budget: RetryBudget;
  #allowance = mostUnproven;

  constructor(budget: RetryBudget) {
    this.#budget = budget;
  }

  /** An RPC began. */
  deposit(): void {
    this.#add(regained);
  }

  /** Whether one more may begin; it is paid for then. */
  withdraw(): boolean {
    if (this.#allowance < 1 || !this.#budget.withdraw(keptForRetries)) return false;
    this.#allowance--;
    return true;
  }

  /** One was the first to answer. */
  won(): void {
    this.#add(1);
  }

  #add(amount: number): void {
    this.#allowance = Math.min(this.#allowance + amount, mostUnproven);
  }
}
