import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";

/** Reviews are at least this far apart. */
const reviewMs = 1_000;
/** Outcomes of either side that are enough to judge by. */
const enoughOutcomes = 16;
/** From so many on, an excess is believed that is above this, divided by the root of their number. */
const fewOutcomes = 4;
const clearExcess = 5;
/** Of the excess that a review finds, it corrects this part; the rest may be noise, or a queue that is drained already. */
const gain = 0.25;
/** What a review takes for the most, either way, as the logarithm of a ratio. */
const mostExcess = 1;
/** Local endpoints keep this share, so that it is seen when they have recovered. */
const leastShare = 0.03;
/** Times below it are not told apart. */
const leastMs = 0.1;

/**
 * How much of its traffic a client leaves with its local endpoints, by what it sees of them and of the others: the time
 * that a success takes to its first byte, failures included, as whoever fails is asked again. RPCs in flight say nothing:
 * they are few wherever few are sent. Envoy's load-aware locality does so by the utilization that servers report.
 *
 * Proportional, and damped: each review moves the share by a part of the logarithm of the ratio, so that noise cancels
 * out. Means are geometric: a few slow RPCs do not look like load.
 */
export class LocalityLoad {
  readonly #logLimit: number;
  readonly #local = new Side();
  readonly #others = new Side();
  #share = 1;
  #reviewAt: number;

  /** `maxLoadRatio`: what the ratio may be. `now`: of the clock. */
  constructor(maxLoadRatio: number, now: number) {
    this.#logLimit = Math.log(maxLoadRatio);
    this.#reviewAt = now + reviewMs;
  }

  /** From 0.03 to 1. */
  get share(): number {
    return this.#share;
  }

  /** Takes the outcome of an attempt. Returns whether that may have changed the share. */
  report(isLocal: boolean, outcome: Outcome, now: number): boolean {
    (isLocal ? this.#local : this.#others).add(outcome);
    const outcomes = Math.min(this.#local.outcomes, this.#others.outcomes);
    if (now < this.#reviewAt || outcomes < fewOutcomes) return false;
    const excess = this.#local.logCost() - this.#others.logCost() - this.#logLimit;
    const isClear = excess > clearExcess / Math.sqrt(outcomes);
    if (outcomes < enoughOutcomes && !isClear) return false;
    this.#reviewAt = now + reviewMs;
    this.#local.clear();
    this.#others.clear();
    if (Number.isNaN(excess)) return false; // both fail everything
    const bounded = Math.max(-mostExcess, Math.min(excess, mostExcess));
    this.#share = Math.max(leastShare, Math.min(this.#share * Math.exp(-gain * bounded), 1));
    return true;
  }
}

class Side {
  #successes = 0;
  #failures = 0;
  #logMs = 0;

  get outcomes(): number {
    return this.#successes + this.#failures;
  }

  add(outcome: Outcome): void {
    if (isFailure(outcome)) this.#failures++;
    else if (outcome.firstByteMs !== undefined) {
      this.#successes++;
      this.#logMs += Math.log(Math.max(outcome.firstByteMs, leastMs));
    }
  }

  /** The logarithm of the milliseconds that a success takes: `Infinity` where nothing succeeds. */
  logCost(): number {
    if (this.#successes === 0) return Number.POSITIVE_INFINITY;
    return this.#logMs / this.#successes + Math.log(this.outcomes / this.#successes);
  }

  clear(): void {
    this.#successes = 0;
    this.#failures = 0;
    this.#logMs = 0;
  }
}
