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

  /** Whether one more may look for a connection: no more do at a time than may begin. */
  reserve(): boolean {
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  /** Whether one that found a connection may begin; the retry budget has paid for it then. */
  pay(): boolean {
    return this.#budget.withdraw(keptForRetries);
  }

  /** One did not begin, or was the first to answer. */
  giveBack(): void {
    this.#add(1);
  }

  #add(amount: number): void {
    this.#allowance = Math.min(this.#allowance + amount, mostUnproven);
  }
}
