import type { Loads } from "../load/loads.ts";
import type { Random } from "../random.ts";
import { Drawing } from "./drawing.ts";
import type { Chooser, Contest } from "./load-picker.ts";
import { nextPosition, type Turn } from "./turn.ts";

/** Up to this many candidates all are compared, in about 100 ns; of more, two. */
export const exactLimit = 12;

/** The same for `WeightedTurnChooser`, whose comparison takes longer. */
export const weightedExactLimit = 8;

/** How a load is judged. */
export interface Measure {
  /** How many RPCs are added to each load before it is divided by the weight: 1, for the load with the RPC to come. */
  readonly ahead: 0 | 1;
  /** Whether an idle candidate is the best, whatever its weight. */
  readonly idleFirst: boolean;
}

/** 1 / weight of each; finite, also where that is not. */
function stepsOf({ values }: Contest["weights"]): Float64Array {
  return Float64Array.from(values, (weight) => Math.min(1 / weight, 1e100));
}

/** The least of all; those that are equal are served in turn. */
export class TurnChooser implements Chooser, Turn {
  readonly #loads: Loads;
  readonly #measure: Measure;
  /** 1 / weight. */
  readonly #steps: Float64Array;
  #position: number;

  constructor({ loads, weights, context, previous }: Contest, measure: Measure) {
    this.#loads = loads;
    this.#measure = measure;
    this.#steps = stepsOf(weights);
    this.#position = nextPosition(previous instanceof TurnChooser ? previous : undefined, loads.count, context.random);
  }

  get position(): number {
    return this.#position;
  }

  get count(): number {
    return this.#loads.count;
  }

  choose(): number {
    const loads = this.#loads;
    const steps = this.#steps;
    const { ahead, idleFirst } = this.#measure;
    const count = steps.length;
    let index = this.#position;
    let best = index;
    let least = Number.POSITIVE_INFINITY;
    for (let left = count; left > 0; left--) {
      const load = loads.of(index);
      const cost = load === 0 && idleFirst ? 0 : (load + ahead) * (steps[index] as number);
      if (cost < least) {
        best = index;
        least = cost;
        if (cost === 0) break; // there is nothing less
      }
      index = index + 1 === count ? 0 : index + 1;
    }
    // the next search starts behind the one found, so that ties are served in turn
    this.#position = best + 1 === count ? 0 : best + 1;
    return best;
  }
}

/** The least of all, relative to weights that differ; at any load those that are equal have turns by their weights. */
export class WeightedTurnChooser implements Chooser {
  readonly #loads: Loads;
  /** 1 / weight: how much of the round a turn takes. */
  readonly #steps: Float64Array;
  /**
   * Where in the round the next turn of each begins, as the start tags of fair queueing (Goyal et al., 1996). One whose
   * turn is yet to come has that distance added to its load, so that a candidate with little weight is not given an RPC
   * whenever it is idle.
   */
  readonly #turns: Float64Array;
  #now = 0;

  constructor({ weights, loads, context }: Contest) {
    this.#loads = loads;
    this.#steps = stepsOf(weights);
    this.#turns = this.#steps.map((step) => step * context.random());
  }

  choose(): number {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    const loads = this.#loads;
    const steps = this.#steps;
    const turns = this.#turns;
    const now = this.#now;
    for (let index = 0; index < steps.length; index++) {
      const load = loads.of(index) * (steps[index] as number);
      if (load >= least) continue; // most of them: whoever's turn it is
      const ahead = (turns[index] as number) - now;
      const cost = ahead > 0 ? load + ahead : load;
      if (cost >= least) continue;
      best = index;
      least = cost;
    }
    this.#now = Math.max(now, turns[best] as number);
    turns[best] = this.#now + (steps[best] as number);
    return best;
  }
}

/** What it costs to give an RPC to the candidate with this index; the least is chosen. */
export type Cost = (index: number) => number;

/** The least of a few that are drawn at random, in proportion to their weights; the first drawn of those that are equal. */
export class DrawnChooser implements Chooser {
  readonly #drawing: Drawing;
  readonly #cost: Cost;
  readonly #choices: number;

  /** There are to be at least as many candidates as choices. */
  constructor(
    { weights, context }: { weights: Contest["weights"]; context: { random: Random } },
    cost: Cost,
    choices: number,
  ) {
    this.#drawing = new Drawing(weights, context.random);
    this.#cost = cost;
    this.#choices = choices;
  }

  choose(): number {
    if (this.#choices === 2) {
      const one = this.#drawing.draw();
      const other = this.#drawing.other(one);
      return this.#cost(other) < this.#cost(one) ? other : one;
    }
    let best = this.#drawing.first();
    let least = this.#cost(best);
    for (let drawn = 1; drawn < this.#choices; drawn++) {
      const index = this.#drawing.another();
      const cost = this.#cost(index);
      if (cost >= least) continue;
      best = index;
      least = cost;
    }
    return best;
  }
}
