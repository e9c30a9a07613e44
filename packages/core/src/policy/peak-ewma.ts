import type { Candidate } from "../load/candidate.ts";
import { Latencies } from "../load/latencies.ts";
import { checkKeys, maxTimerMs, numberOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import { type Cost, DrawnChooser } from "./choosers.ts";
import { type Chooser, type Contest, LoadPicker } from "./load-picker.ts";
import type { Policy } from "./policy.ts";
import { weightsOf } from "./weights.ts";

export interface PeakEwmaOptions {
  /** In which time a latency without new samples falls by e, and about which time is averaged over. Default 10 000. */
  readonly decayMs?: number;
}

/**
 * The candidate that seems fastest: of two that are drawn at random, by weight, the one with the least latency × (1 + RPCs
 * in flight / weight). Latency is a peak EWMA of the time to the first byte (`Latencies`), as in Finagle, Linkerd and tower.
 * For endpoints whose speed differs or varies: other zones, noisy neighbours, pods that pause.
 *
 * One that stops to answer is repelled by what it has in flight, before any outcome tells of it. Failures count as load
 * (`Penalties`), and as slow. Throws a `TypeError` or `RangeError`.
 */
export function peakEwma(options: PeakEwmaOptions = {}): Policy {
  checkKeys("peakEwma", options, ["decayMs"]);
  const decayMs = numberOption("decayMs", options.decayMs ?? 10_000, { min: 1, max: maxTimerMs, unit: "milliseconds" });
  return (previous, candidates, context) =>
    new LoadPicker(
      previous,
      candidates,
      weightsOf(candidates, context),
      context,
      (contest) => new FastestChooser(contest, decayMs),
    );
}

class FastestChooser implements Chooser {
  readonly latencies: Latencies;
  readonly #chooser: Chooser;

  constructor(contest: Contest, decayMs: number) {
    const { loads, candidates, context, previous } = contest;
    const { values, isEven } = contest.weights;
    const latencies = previous instanceof FastestChooser ? previous.latencies : new Latencies(context.clock, decayMs);
    const scores = latencies.follow(candidates);
    this.latencies = latencies;
    const scoreOf = (index: number): number => {
      if (loads.penaltyOf(index) > 0) return latencies.failedScore(candidates[index] as Candidate);
      const score = scores[index] as number;
      return score === 0 ? latencies.meanScore : score;
    };
    const cost: Cost = isEven
      ? (index) => scoreOf(index) * (1 + loads.of(index))
      : (index) => scoreOf(index) * (1 + loads.of(index) / (values[index] as number));
    this.#chooser = new DrawnChooser(contest, cost, Math.min(2, loads.count));
  }

  choose(): number {
    return this.#chooser.choose();
  }

  ended(candidate: Candidate, outcome: Outcome): void {
    this.latencies.report(candidate, outcome);
  }
}
