import type { Clock } from "../clock.ts";
import type { Candidate } from "../load/candidate.ts";
import { ReportedWeight, type ReportedWeightOptions } from "../load/reported-weight.ts";
import { checkKeys, maxTimerMs, numberOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import type { Policy, PolicyContext } from "./policy.ts";
import { roundRobin } from "./round-robin.ts";
import { WeightedTurn } from "./weighted-turn.ts";
import { weightsOf } from "./weights.ts";

/** All times in milliseconds; all but `weights` are for `"reported"`. */
export interface WeightedRoundRobinOptions {
  /** `"reported"`: what servers say of their load with each response. `"endpoint"`: as `roundRobin`. Default `"reported"`. */
  readonly weights?: "reported" | "endpoint";
  /** How long an endpoint has to report before its weight counts, so that one that just began is not flooded. Default 10 000. */
  readonly blackoutPeriodMs?: number;
  /** Without a report for this long, its weight counts no more, and the blackout comes before the next. Default 180 000. */
  readonly weightExpirationPeriodMs?: number;
  /** Between two looks at the weights, at least. 100 or more. Default 1 000. */
  readonly weightUpdatePeriodMs?: number;
  /** How much utilization a share of failures counts for: at 1, an endpoint that fails all looks fully used. Default 1. */
  readonly errorUtilizationPenalty?: number;
}

const reportedOptions = [
  "blackoutPeriodMs",
  "weightExpirationPeriodMs",
  "weightUpdatePeriodMs",
  "errorUtilizationPenalty",
] as const;

/**
 * In turn, each as often as its capacity says, which is what it serves for the load that it has: RPCs per second /
 * (utilization + failures per RPC × penalty), as it reports with its responses (gRFC A58). Utilization is the
 * application's own where that is above 0, else that of the CPU.
 *
 * Whoever has no weight to count has the mean of the others; before two have one it is `roundRobin`. An endpoint that
 * warms up has that share of its weight (gRFC A100). No weight counts for more than ten times, or less than a hundredth
 * of the mean, as in gRPC. Throws a `TypeError` or `RangeError`.
 */
export function weightedRoundRobin(options: WeightedRoundRobinOptions = {}): Policy {
  checkKeys("weightedRoundRobin", options, ["weights", ...reportedOptions]);
  const { weights = "reported" } = options;
  if (weights !== "reported" && weights !== "endpoint") {
    throw new TypeError(`weights: expected "reported" or "endpoint", got ${String(weights)}`);
  }
  if (weights === "endpoint") {
    const idle = reportedOptions.find((name) => options[name] !== undefined);
    if (idle !== undefined) throw new TypeError(`${idle}: only for weights: "reported"`);
    return roundRobin();
  }
  const { blackoutPeriodMs = 10_000, weightExpirationPeriodMs = 180_000, weightUpdatePeriodMs = 1_000 } = options;
  const { errorUtilizationPenalty = 1 } = options;
  const unit = "milliseconds";
  const checked: ReportedWeightOptions & { readonly updateMs: number } = {
    blackoutMs: numberOption("blackoutPeriodMs", blackoutPeriodMs, { min: 0, max: maxTimerMs, unit }),
    expirationMs: numberOption("weightExpirationPeriodMs", weightExpirationPeriodMs, { min: 1, max: maxTimerMs, unit }),
    updateMs: numberOption("weightUpdatePeriodMs", weightUpdatePeriodMs, { min: 100, max: maxTimerMs, unit }),
    errorPenalty: numberOption("errorUtilizationPenalty", errorUtilizationPenalty, { min: 0, max: 1_000 }),
  };
  return (previous, candidates, context) =>
    new ReportedPicker(
      candidates,
      context,
      checked,
      previous instanceof ReportedPicker && previous.options === checked ? previous.reported : undefined,
    );
}

class ReportedPicker<C extends Candidate> implements Picker<C> {
  readonly options: ReportedWeightOptions & { readonly updateMs: number };
  readonly reported: ReadonlyMap<Candidate, ReportedWeight>;
  readonly #results: readonly PickResult<C>[];
  readonly #context: PolicyContext;
  readonly #clock: Clock;
  #weights: readonly number[];
  #turn: WeightedTurn;
  #updatedAt: number;

  constructor(
    candidates: readonly C[],
    context: PolicyContext,
    options: ReportedPicker<C>["options"],
    before: ReadonlyMap<Candidate, ReportedWeight> | undefined,
  ) {
    this.options = options;
    // one that left loses its weight: what comes back may be another process
    this.reported = new Map(candidates.map((each) => [each, before?.get(each) ?? new ReportedWeight(options)]));
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#context = context;
    this.#clock = context.clock;
    this.#updatedAt = this.#clock.now();
    this.#weights = this.#currentWeights();
    this.#turn = new WeightedTurn(this.#weights, context.random);
  }

  pick(): PickResult<C> {
    return this.#results[this.#turn.next()] as PickResult<C>;
  }

  report(candidate: C, { load }: Outcome): void {
    const now = this.#clock.now();
    if (load !== undefined) this.reported.get(candidate)?.update(load, now);
    if (now - this.#updatedAt < this.options.updateMs) return;
    this.#updatedAt = now;
    const weights = this.#currentWeights();
    if (weights.every((weight, index) => weight === this.#weights[index])) return;
    this.#weights = weights;
    this.#turn = new WeightedTurn(weights, this.#context.random);
  }

  /** In the order of the candidates. Throws a `RangeError` for an endpoint's weight that is none. */
  #currentWeights(): readonly number[] {
    const { weightOf } = this.#context;
    const known = new Map(Array.from(this.reported, ([candidate, weight]) => [candidate, weight.at(this.#updatedAt)]));
    const usable = [...known.values()].filter((weight) => weight > 0);
    const candidates = [...this.reported.keys()];
    if (usable.length < 2) return weightsOf(candidates, this.#context).values;
    const mean = usable.reduce((sum, weight) => sum + weight / usable.length, 0);
    const ofCapacity = (candidate: Candidate): number => {
      const weight = Math.min(Math.max(known.get(candidate) || mean, leastRatio * mean), greatestRatio * mean);
      return weight * (weightOf(candidate) / candidate.endpoint.weight);
    };
    return weightsOf(candidates, { weightOf: ofCapacity }).values;
  }
}

const leastRatio = 0.01;
const greatestRatio = 10;
