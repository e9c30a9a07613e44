import type { Candidate } from "../load/candidate.ts";
import type { PolicyContext } from "./policy.ts";

/** The weights of candidates, in their order, such that they are 1 on average. */
export interface Weights {
  readonly values: readonly number[];
  /** Whether all of them are the same. */
  readonly isEven: boolean;
}

/** Throws a `RangeError` for a weight that is not above 0, or is infinite. O(n). */
export function weightsOf(candidates: readonly Candidate[], { weightOf }: Pick<PolicyContext, "weightOf">): Weights {
  const weights = candidates.map((candidate) => {
    const weight = weightOf(candidate);
    if (weight > 0 && weight < Number.POSITIVE_INFINITY) return weight;
    throw new RangeError(`weight of ${candidate.endpoint.key}: expected a finite number above 0, got ${weight}`);
  });
  if (weights.every((weight) => weight === weights[0])) return evenWeights(candidates.length);
  const average = weights.reduce((sum, weight) => sum + weight / weights.length, 0);
  return { values: weights.map((weight) => weight / average), isEven: false };
}

/** For policies that are told to take no notice of weights. */
export function evenWeights(count: number): Weights {
  return { values: new Array<number>(count).fill(1), isEven: true };
}
