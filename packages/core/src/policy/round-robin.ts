import type { Candidate } from "../load/candidate.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import { type Random, randomInt, systemRandom } from "../random.ts";
import type { Policy } from "./policy.ts";

export interface RoundRobinOptions {
  /** Draws where the first turn starts, so that many clients do not start at the same endpoint. */
  readonly random?: Random;
}

/** One after another, as gRPC's `round_robin`. A change of the set does not start the turn anew. */
export function roundRobin(options: RoundRobinOptions = {}): Policy {
  const random = options.random ?? systemRandom;
  return (previous, candidates) =>
    new RoundRobinPicker(
      candidates,
      previous instanceof RoundRobinPicker ? previous.position : randomInt(random, candidates.length),
    );
}

class RoundRobinPicker<C extends Candidate> implements Picker<C> {
  readonly #results: readonly PickResult<C>[];
  #position: number;

  constructor(candidates: readonly C[], position: number) {
    this.#results = candidates.map((connection) => ({ kind: "complete", connection }));
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
