import type { Candidate } from "../load/candidate.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import { Drawing } from "./drawing.ts";
import type { Policy, PolicyContext } from "./policy.ts";
import { weightsOf } from "./weights.ts";

/**
 * Any candidate, in proportion to weights (Walker's alias method, 1977), whatever its load. For short RPCs that are all
 * alike from very many clients, and to compare other policies with.
 */
export function random(): Policy {
  return (_previous, candidates, context) => new RandomPicker(candidates, context);
}

class RandomPicker<C extends Candidate> implements Picker<C> {
  readonly #results: readonly PickResult<C>[];
  readonly #drawing: Drawing;

  constructor(candidates: readonly C[], context: PolicyContext) {
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#drawing = new Drawing(weightsOf(candidates, context), context.random);
  }

  pick(): PickResult<C> {
    return this.#results[this.#drawing.draw()] as PickResult<C>;
  }
}
