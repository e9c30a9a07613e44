import { type Random, randomInt } from "../random.ts";
import type { Weights } from "./weights.ts";

/** After so many draws of what was drawn before, the next is found by looking. */
const patience = 8;

/**
 * Draws indexes at random, in proportion to weights, in O(1) each: Walker's alias method (1977), its table built as by
 * Vose (1991) in O(n).
 */
export class Drawing {
  readonly #count: number;
  readonly #random: Random;
  /** The part of each place that is its own index's; the rest is its alias's. None where all weights are the same. */
  readonly #parts: Float64Array | undefined;
  readonly #aliases: Int32Array;
  /** In which round each index was drawn last; a round of 2^32 ago would cost a draw, not a choice. */
  readonly #drawnIn: Uint32Array;
  #round = 0;

  constructor({ values, isEven }: Weights, random: Random) {
    this.#count = values.length;
    this.#random = random;
    this.#drawnIn = new Uint32Array(values.length);
    this.#aliases = new Int32Array(isEven ? 0 : values.length);
    this.#parts = isEven ? undefined : fillTable(values, this.#aliases);
  }

  /** Any index, regardless of what was drawn before. */
  draw(): number {
    const place = this.#random() * this.#count;
    const index = Math.floor(place);
    if (this.#parts === undefined || place - index < (this.#parts[index] as number)) return index;
    return this.#aliases[index] as number;
  }

  /** Another than `index`, of two or more. */
  other(index: number): number {
    for (let tries = 0; tries < patience; tries++) {
      const other = this.draw();
      if (other !== index) return other;
    }
    return (index + 1 + randomInt(this.#random, this.#count - 1)) % this.#count; // it has nearly all of the weight
  }

  /** Begins a round of more. */
  first(): number {
    this.#round = (this.#round + 1) >>> 0;
    return this.#note(this.draw());
  }

  /** One that was not drawn in this round; to be called while there is one. */
  another(): number {
    for (let tries = 0; tries < patience; tries++) {
      const index = this.draw();
      if (this.#drawnIn[index] !== this.#round) return this.#note(index);
    }
    // a few have nearly all of the weight, or nearly all were drawn
    let index = randomInt(this.#random, this.#count);
    while (this.#drawnIn[index] === this.#round) index = index + 1 === this.#count ? 0 : index + 1;
    return this.#note(index);
  }

  #note(index: number): number {
    this.#drawnIn[index] = this.#round;
    return index;
  }
}

/** `weights` are 1 on average. Fills `aliases`, and returns the parts. */
function fillTable(weights: readonly number[], aliases: Int32Array): Float64Array {
  const parts = Float64Array.from(weights);
  const light: number[] = [];
  const heavy: number[] = [];
  for (const [index, weight] of weights.entries()) (weight < 1 ? light : heavy).push(index);
  while (light.length > 0 && heavy.length > 0) {
    const filled = light.pop() as number;
    const filler = heavy.at(-1) as number;
    aliases[filled] = filler;
    const left = (parts[filler] as number) - (1 - (parts[filled] as number));
    parts[filler] = left;
    if (left < 1) light.push(heavy.pop() as number);
  }
  // what is left of either has a whole place, but for rounding
  for (const index of [...light, ...heavy]) parts[index] = 1;
  return parts;
}
