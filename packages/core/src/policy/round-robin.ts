import type { Candidate } from "../load/candidate.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import { randomInt } from "../random.ts";
import type { Policy } from "./policy.ts";

/**
 * One after another, as gRPC's `round_robin`. Starts anywhere, so that many clients do not start at the same endpoint; a
 * change of the set does not start the turn anew.
 */
export function roundRobin(): Policy {
  return (previous, candidates, { random }) =>
    new RoundRobinPicker(
      candidates,
      previous instanceof RoundRobinPicker ? previous.position : randomInt(random, candidates.length),
    );
}

class RoundRobinPicker<C extends Candidate> implements Picker<C> {
  readonly #results: readonly PickResult<C>[];
  #position: number;

  constructor(candidates: readonly C[], position: number) {
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#position = position % candidates.length;
  }

  get position(): number {
    return this.#position;
  }

  pick(): PickResult<C> {
    const result = this.#results[this.#position] as PickResult<C>;
    this.#position = (this.#position + 1) % this.#results.length;
    return result;
  }
}
