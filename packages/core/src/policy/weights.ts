import { type Endpoint, isWeight } from "../endpoint/endpoint.ts";
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
  const weights = candidates.map((candidate) => checkWeight(candidate.endpoint, weightOf(candidate)));
  if (weights.every((weight) => weight === weights[0])) return evenWeights(candidates.length);
  const average = aboveZero(weights.reduce((sum, weight) => sum + weight / weights.length, 0));
  return { values: weights.map((weight) => aboveZero(weight / average)), isEven: false };
}

/** Throws a `RangeError` for a weight that is not above 0, or is infinite. */
export function checkWeight({ key }: Endpoint, weight: number): number {
  if (isWeight(weight)) return weight;
  throw new RangeError(`weight of ${key}: expected a finite number above 0, got ${weight}`);
}

/** A quotient that is too small for a number is 0. */
function aboveZero(quotient: number): number {
  return Math.max(quotient, Number.MIN_VALUE);
}

/** For policies that are told to take no notice of weights. */
export function evenWeights(count: number): Weights {
  return { values: new Array<number>(count).fill(1), isEven: true };
}
