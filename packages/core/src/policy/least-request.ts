import { checkKeys, numberOption, typeOption } from "../options.ts";
import {
  type Cost,
  DrawnChooser,
  exactLimit,
  TurnChooser,
  WeightedTurnChooser,
  weightedExactLimit,
} from "./choosers.ts";
import { type Chooser, type Contest, LoadPicker } from "./load-picker.ts";
import type { Policy } from "./policy.ts";
import { evenWeights, weightsOf } from "./weights.ts";

export interface LeastRequestOptions {
  /**
   * How many candidates are drawn at random and compared: 2 to 100. Default: all of up to 12, or of up to 8 with weights
   * that differ; two of more.
   */
  readonly choices?: number;
  /** Whether loads, and turns and draws among equals, are relative to weights. Default true. */
  readonly weights?: boolean;
}

/**
 * The candidate with the fewest RPCs in flight: the default, and right for nearly everything.
 *
 * All of up to 12 candidates (8 where weights differ) are compared, ties in turn, as IPVS's `lc` and `wlc` and HAProxy's
 * `leastconn`; of more, two that are drawn at random (Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", 2001; gRFC A48), which keeps the busiest nearly as close to the others, and many clients from choosing the
 * same. Failures count as load (`Penalties`). Throws a `TypeError` or `RangeError`.
 */
export function leastRequest(options: LeastRequestOptions = {}): Policy {
  checkKeys("leastRequest", options, ["choices", "weights"]);
  const choices =
    options.choices === undefined
      ? undefined
      : numberOption("choices", options.choices, { min: 2, max: 100, integer: true });
  const heedsWeights = typeOption("weights", options.weights ?? true, "boolean");
  return (previous, candidates, context) => {
    const weights = heedsWeights ? weightsOf(candidates, context) : evenWeights(candidates.length);
    return new LoadPicker(previous, candidates, weights, context, (contest) => chooserFor(contest, choices));
  };
}

function chooserFor(contest: Contest, choices: number | undefined): Chooser {
  const { loads, weights } = contest;
  const { values, isEven } = weights;
  if (loads.count > (choices ?? (isEven ? exactLimit : weightedExactLimit))) {
    const cost: Cost = isEven ? (index) => loads.of(index) : (index) => loads.of(index) / (values[index] as number);
    return new DrawnChooser(contest, cost, choices ?? 2);
  }
  return isEven ? new TurnChooser(contest, { ahead: 0, idleFirst: false }) : new WeightedTurnChooser(contest);
}
