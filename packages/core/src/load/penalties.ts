import type { Clock } from "../clock.ts";
import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Candidate } from "./candidate.ts";

/** How long it takes a penalty to halve: at first, at most, and at most where RPCs are rare; in milliseconds. */
const firstHalfLifeMs = 1_000;
const longestHalfLifeMs = 30_000;
const longestOfAllMs = 300_000;

/** A penalty is at most that many times what one failure adds. */
const mostFailures = 8;

/** What a success leaves of a penalty. */
const afterSuccess = 7 / 8;

/** A penalty of not more than this for a weight of 1 is over: idle endpoints are equals again. */
const negligible = 0.5;

/** Milliseconds for which penalties, and the average load, need not be looked at again. */
const freshMs = 50;

/** What a candidate's failures add to its load, in RPCs in flight. */
export interface Penalty {
  /** 0 or more. */
  readonly value: number;
}

/**
 * Failures as load, for policies that would else send the most to an endpoint that fails at once, and so never has
 * anything in flight.
 *
 * Each failure counts as one RPC in flight, and half as many as the endpoints have on average. That halves every second,
 * or where failures go on without a success between them, every 2, 4, ... 30 s, or twice as long as the endpoint then
 * waited for an RPC; a success takes an eighth of it. So an endpoint's share falls with its rate of failures, and one
 * that fails everything is tried again at growing intervals. Eight failures add up, not more: where three quarters of
 * the endpoints fail, they are given RPCs again, before the few that are well have more than they can bear; where all
 * fail, the load is even.
 */
export class Penalties {
  readonly #clock: Clock;
  /** Of all candidates that there were: those that leave and come back, as with a new connection, keep theirs. */
  readonly #marks = new WeakMap<Candidate, Mark>();
  /** Those above 0. */
  readonly #active = new Set<Mark>();
  #isUsed = false;
  #averageLoad = 0;
  #averagedAt = Number.NEGATIVE_INFINITY;
  #agedAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether there was a failure. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether any is above 0. */
  get isAny(): boolean {
    return this.#active.size > 0;
  }

  /** The same object whenever it is asked for. `weight` is relative to an average of 1. */
  of(candidate: Candidate, weight: number): Penalty {
    let mark = this.#marks.get(candidate);
    if (mark === undefined) {
      mark = new Mark();
      this.#marks.set(candidate, mark);
    }
    mark.weight = weight;
    return mark;
  }

  /** Lets time pass; to be called before penalties are read. Does not even read the clock while there are none. */
  update(): void {
    if (this.#active.size === 0) return;
    const now = this.#clock.now();
    if (now - this.#agedAt < freshMs) return;
    this.#agedAt = now;
    for (const mark of this.#active) {
      mark.age(now);
      if (mark.value === 0) this.#active.delete(mark);
    }
  }

  /** `candidates` are those whose average load is the measure. */
  report(candidate: Candidate, outcome: Outcome, candidates: readonly Candidate[]): void {
    const mark = this.#marks.get(candidate);
    if (mark === undefined) return;
    if (isFailure(outcome)) {
      const now = this.#clock.now();
      mark.fail(now, this.#average(candidates, now));
      this.#active.add(mark);
      this.#isUsed = true;
    } else if (outcome.fate === "answered") {
      mark.succeed();
      if (mark.value === 0) this.#active.delete(mark);
    }
  }

  #average(candidates: readonly Candidate[], now: number): number {
    if (now - this.#averagedAt >= freshMs) {
      this.#averagedAt = now;
      this.#averageLoad = candidates.reduce((sum, { inFlight }) => sum + inFlight, 0) / candidates.length;
    }
    return this.#averageLoad;
  }
}

/** The penalty of one candidate. */
class Mark implements Penalty {
  weight = 1;
  value = 0;
  /** When the value was last brought up to date, and when it was last above 0. */
  #agedAt = 0;
  #penalizedAt = Number.NEGATIVE_INFINITY;
  #halfLifeMs = firstHalfLifeMs;
  /** When the half-life was set: failures that come together, as of all that were in flight, count once. */
  #setAt = Number.NEGATIVE_INFINITY;
  /** Whether it has failed since it last succeeded. */
  #isFailing = false;

  fail(now: number, averageLoad: number): void {
    this.age(now);
    this.#prolong(now);
    const amount = (averageLoad / 2 + 1) * this.weight;
    this.value = Math.min(this.value + amount, Math.max(this.value, mostFailures * amount));
    this.#penalizedAt = now;
  }

  succeed(): void {
    this.#isFailing = false;
    this.#set(this.value * afterSuccess);
  }

  age(now: number): void {
    if (this.value > 0) this.#penalizedAt = now;
    this.#set(this.value * 2 ** ((this.#agedAt - now) / this.#halfLifeMs));
    this.#agedAt = now;
  }

  #prolong(now: number): void {
    if (this.#isFailing && now - this.#setAt < this.#halfLifeMs) return;
    this.#setAt = now;
    if (!this.#isFailing) {
      this.#halfLifeMs = firstHalfLifeMs;
      this.#isFailing = true;
      return;
    }
    const waited = now - this.#penalizedAt; // for an RPC
    const halfLifeMs = Math.min(2 * this.#halfLifeMs, longestHalfLifeMs);
    this.#halfLifeMs = Math.min(Math.max(halfLifeMs, 2 * waited), longestOfAllMs);
  }

  #set(value: number): void {
    this.value = value > negligible * this.weight ? value : 0;
  }
}
