import type { Candidate } from "../load/candidate.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import type { Policy } from "./policy.ts";
import { nextPosition, type Turn } from "./turn.ts";
import { WeightedTurn } from "./weighted-turn.ts";
import { weightsOf } from "./weights.ts";

/**
 * One after another, as gRPC's `round_robin`; where weights differ, each as often as its weight says (`WeightedTurn`).
 * For RPCs that cost much the same, on endpoints that are much the same.
 *
 * Starts anywhere, so that many clients do not go round together; a change of the set does not start the turn anew.
 */
export function roundRobin(): Policy {
  return (previous, candidates, context) => {
    const { values, isEven } = weightsOf(candidates, context);
    if (!isEven) return new WeightedRoundRobinPicker(candidates, new WeightedTurn(values, context.random));
    const before = previous instanceof RoundRobinPicker ? previous : undefined;
    return new RoundRobinPicker(candidates, nextPosition(before, candidates.length, context.random));
  };
}

class RoundRobinPicker<C extends Candidate> implements Picker<C>, Turn {
  readonly #results: readonly PickResult<C>[];
  #position: number;

  constructor(candidates: readonly C[], position: number) {
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  get count(): number {
    return this.#results.length;
  }

  pick(): PickResult<C> {
    const result = this.#results[this.#position] as PickResult<C>;
    this.#position = this.#position + 1 === this.#results.length ? 0 : this.#position + 1;
    return result;
  }
}

class WeightedRoundRobinPicker<C extends Candidate> implements Picker<C> {
  readonly #results: readonly PickResult<C>[];
  readonly #turn: WeightedTurn;

  constructor(candidates: readonly C[], turn: WeightedTurn) {
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#turn = turn;
  }

  pick(): PickResult<C> {
    return this.#results[this.#turn.next()] as PickResult<C>;
  }
}
