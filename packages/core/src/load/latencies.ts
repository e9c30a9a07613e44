import type { Clock } from "../clock.ts";
import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Candidate } from "./candidate.ts";

/** Milliseconds; less than this is noise. */
const leastLatencyMs = 0.1;

/** Scores begin anew at 1 when they have grown by e to this power, long before they overflow. */
const farthest = 500;

/** And one that has not changed for as long is as good as this. */
const leastScore = 1e-200;

/**
 * What is known of the latency of candidates: peak EWMA, as in Finagle, Linkerd and tower. A sample above the average
 * replaces it; one below it moves it, the more the longer the last one was ago; without samples it falls by e in
 * `decayMs`, so that a candidate that was slow is tried again.
 *
 * What falls everywhere at the same rate need not be calculated to be compared: a score is an average times
 * e^(time / decayMs), and only changes with a sample. So reading is cheap, needs no clock, and changes nothing.
 *
 * A candidate of which nothing is known counts as the (geometric) mean of the others, and its first sample cannot bring
 * it below half of that: it is neither flooded nor starved, whether the others take 1 ms or 1 s.
 */
export class Latencies {
  readonly #clock: Clock;
  readonly #decayMs: number;
  /** Of all candidates that there were: those that leave and come back, as with a new connection, keep theirs. */
  readonly #learnt = new WeakMap<Candidate, Learnt>();
  #current: readonly Learnt[] = [];
  /** When a score is its average. */
  #epoch: number;
  /** Of what is known of current candidates: the number, and the sums of logarithms, now and when each was learnt. */
  #known = 0;
  #logSum = 0;
  #freshLogSum = 0;

  constructor(clock: Clock, decayMs: number) {
    this.#clock = clock;
    this.#decayMs = decayMs;
    this.#epoch = clock.now();
  }

  /** Takes another set of candidates. Returns their scores, which change with what is learnt; 0: nothing is known. O(n). */
  follow(candidates: readonly Candidate[]): Float64Array {
    for (const learnt of this.#current) learnt.isCurrent = false;
    const scores = new Float64Array(candidates.length);
    this.#current = candidates.map((candidate, index) => {
      const learnt = this.#learnt.get(candidate) ?? new Learnt();
      this.#learnt.set(candidate, learnt);
      learnt.isCurrent = true;
      learnt.scores = scores;
      learnt.index = index;
      return learnt;
    });
    this.#reckon();
    return scores;
  }

  /** The score of one of which nothing is known. */
  get meanScore(): number {
    return this.#known === 0 ? 1 : this.#scoreOf(this.#logSum / this.#known);
  }

  /** The score of one that failed: as if it were as slow as when it was last used, or as others are, right now. */
  failedScore(candidate: Candidate): number {
    if (this.#known === 0) return this.meanScore;
    const learnt = this.#learnt.get(candidate);
    const usual = this.#freshLogSum / this.#known;
    const own = learnt?.isKnown === true ? Math.log(learnt.latencyMs) : usual;
    return this.#scoreOf(Math.max(own, usual) + this.#clock.now() / this.#decayMs);
  }

  /**
   * Latency is the time to the first byte. A failure, or an attempt that was given up, took at least as long as it was
   * waited for; that it came soon is no sign of speed.
   */
  report(candidate: Candidate, outcome: Outcome): void {
    const learnt = this.#learnt.get(candidate);
    const { fate, firstByteMs, durationMs } = outcome;
    if (learnt === undefined || fate === "unsent" || fate === "unprocessed") return;
    const now = this.#clock.now();
    const sample = Math.max(firstByteMs ?? durationMs, leastLatencyMs);
    const isLeast = firstByteMs === undefined || isFailure(outcome);
    if (learnt.isKnown) {
      const kept = Math.exp((learnt.at - now) / this.#decayMs);
      const before = learnt.latencyMs * kept;
      if (isLeast && sample <= before) return;
      const isPeak = isLeast || sample >= learnt.latencyMs;
      this.#learn(learnt, isPeak ? sample : before + sample * (1 - kept), now);
    } else {
      const mean = this.#known === 0 ? undefined : Math.exp(this.#logSum / this.#known - now / this.#decayMs);
      if (isLeast && (mean === undefined || sample <= mean)) return;
      this.#learn(learnt, Math.max(sample, (sample + (mean ?? sample)) / 2), now);
    }
  }

  #learn(learnt: Learnt, latencyMs: number, now: number): void {
    if (learnt.isCurrent) this.#count(learnt, -1);
    learnt.isKnown = true;
    learnt.latencyMs = latencyMs;
    learnt.at = now;
    learnt.log = Math.log(latencyMs) + now / this.#decayMs;
    if (!learnt.isCurrent) return;
    this.#count(learnt, 1);
    if (now - this.#epoch > farthest * this.#decayMs) {
      this.#epoch = now;
      this.#reckon();
    } else {
      learnt.scores[learnt.index] = this.#scoreOf(learnt.log);
    }
  }

  /** Adds what is known of a candidate to the sums, or takes it off them. */
  #count({ isKnown, log, at }: Learnt, times: 1 | -1): void {
    if (!isKnown) return;
    this.#known += times;
    this.#logSum += times * log;
    this.#freshLogSum += times * (log - at / this.#decayMs);
  }

  #scoreOf(log: number): number {
    return Math.max(Math.exp(log - this.#epoch / this.#decayMs), leastScore);
  }

  /** From the beginning: sums, and scores relative to the epoch. */
  #reckon(): void {
    this.#known = 0;
    this.#logSum = 0;
    this.#freshLogSum = 0;
    for (const learnt of this.#current) {
      this.#count(learnt, 1);
      learnt.scores[learnt.index] = learnt.isKnown ? this.#scoreOf(learnt.log) : 0;
    }
  }
}

const noScores = new Float64Array(0);

/** What is known of one candidate. */
class Learnt {
  isKnown = false;
  /** The average when it last changed, and when that was. */
  latencyMs = 0;
  at = 0;
  /** The logarithm of the score of epoch 0. */
  log = 0;
  isCurrent = false;
  /** Where its score is to be written, in the latest set that it was in. */
  scores: Float64Array = noScores;
  index = 0;
}
