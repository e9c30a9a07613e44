import { DrawnChooser, exactLimit, TurnChooser } from "./choosers.ts";
import { LoadPicker } from "./load-picker.ts";
import type { Policy } from "./policy.ts";
import { weightsOf } from "./weights.ts";

/**
 * The candidate on which an RPC is done first, if weights say how fast each is: the least (RPCs in flight + 1) / weight,
 * as IPVS's `sed`. For endpoints of different sizes: where all are idle the fastest gets everything, so that the slow
 * ones help out only under load, and their connections are otherwise unused.
 *
 * All of up to 12 candidates are compared, ties in turn; of more, two that are drawn at random by weight. Failures count
 * as load (`Penalties`).
 */
export function shortestExpectedDelay(): Policy {
  return (previous, candidates, context) =>
    new LoadPicker(previous, candidates, weightsOf(candidates, context), context, (contest) => {
      const { loads, weights } = contest;
      if (loads.count <= exactLimit) return new TurnChooser(contest, { ahead: 1, idleFirst: false });
      return new DrawnChooser(contest, (index) => (loads.of(index) + 1) / (weights.values[index] as number), 2);
    });
}
