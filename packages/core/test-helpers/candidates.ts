import { FakeClock, seededRandom } from "@evenkeel/testing";
import { StatusCode } from "../src/errors.ts";
import type { Candidate } from "../src/load/candidate.ts";
import type { Outcome } from "../src/outcome/outcome.ts";
import type { Picker } from "../src/picker/picker.ts";
import type { PolicyContext } from "../src/policy/policy.ts";
import { pod } from "./endpoints.ts";

/** A candidate whose load the test sets. */
export interface LoadedCandidate extends Candidate {
  inFlight: number;
}

/** `pod-1` to `pod-<count>`, with the loads that are given, else 0. */
export function candidates(count: number, loads: readonly number[] = []): [LoadedCandidate, ...LoadedCandidate[]] {
  const [first, ...rest] = Array.from({ length: count }, (_, index) => ({
    endpoint: pod(index + 1),
    inFlight: loads[index] ?? 0,
  }));
  if (first === undefined) throw new RangeError("a policy gets at least one candidate");
  return [first, ...rest];
}

/** What policies get in tests: weights are those of the endpoints. */
export function policyContext(init: Partial<PolicyContext> = {}): PolicyContext {
  return {
    clock: new FakeClock(),
    random: seededRandom(1),
    endpoints: [],
    weightOf: ({ endpoint }) => endpoint.weight,
    ...init,
  };
}

/** Picks. Throws an `Error` when the picker finds nothing. */
export function pick<C extends Candidate>(picker: Picker<C>): C {
  const result = picker.pick({ path: "/demo.v1.Demo/Call" });
  if (result.kind !== "complete") throw new Error(`expected a connection, got ${result.kind}`);
  return result.candidate;
}

export function pickKeys<C extends Candidate>(picker: Picker<C>, times: number): string[] {
  return Array.from({ length: times }, () => pick(picker).endpoint.key);
}

/** How often each candidate is picked, by its key. */
export function shares<C extends Candidate>(picker: Picker<C>, times: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of pickKeys(picker, times)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Weights by the number of the pod: that of `pod-1` first. */
export function weightsInOrder(weights: readonly number[]): PolicyContext["weightOf"] {
  return ({ endpoint }) => {
    const weight = weights[Number(endpoint.key.slice("pod-".length)) - 1];
    if (weight === undefined) throw new RangeError(`there is no weight for ${endpoint.key}`);
    return weight;
  };
}

/** An outcome: by default a success after 10 ms. */
export function outcome(init: Partial<Outcome> = {}): Outcome {
  return { code: StatusCode.ok, fate: "answered", firstByteMs: 10, durationMs: 10, ...init };
}

/** One that failed at once. */
export const failure: Outcome = outcome({ code: StatusCode.unavailable, firstByteMs: 1, durationMs: 1 });
