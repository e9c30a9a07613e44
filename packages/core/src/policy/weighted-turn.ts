import { isWeight } from "../endpoint/endpoint.ts";
import { type Random, randomInt } from "../random.ts";

/** Steps of the golden ratio: whatever neighbours are taken, they are spread evenly. */
const goldenStep = (Math.sqrt(5) - 1) / 2;

/** A period, in picks, that a 32-bit count of rounds holds. */
const longestPeriod = 2 ** 31;

/**
 * A turn in which each has its share: the one of weight 3 comes three times as often as that of weight 1, and at even
 * distances.
 *
 * Stride scheduling (Waldspurger and Weihl, 1995), as gRPC's `weighted_round_robin`: the one of weight w is due every
 * W / w picks, W being the sum of all weights. Who is due is not searched but found in a calendar queue (Brown, 1988):
 * a wheel of as many slots as there are weights, one slot for a pick. So a pick is O(1) amortised whatever the weights
 * are, where gRPC's scheduler takes the longer the further they are apart, and a heap O(log n). Memory is O(n).
 *
 * A new turn starts anywhere: its first pick falls on each by its share, so that turns may be made anew often.
 */
export class WeightedTurn {
  /** Picks between two turns of each. */
  readonly #periods: Float64Array;
  /** Which part of a slot after its beginning each is due. */
  readonly #fractions: Float64Array;
  /** How often the wheel passes the slot of each before it is due. */
  readonly #rounds: Int32Array;
  /** The last of each slot, -1 where there is none; whom each one is followed by, the last by the first. */
  readonly #lasts: Int32Array;
  readonly #nexts: Int32Array;
  #slot: number;
  /** The first of those of the present slot that are left, whose last is followed by -1. */
  #rest = -1;

  /**
   * `weights`: at least one; finite numbers above 0, of which only the ratios matter. Throws a `RangeError` for others: no
   * turn would come. O(n).
   */
  constructor(weights: readonly number[], random: Random) {
    const bad = weights.find((weight) => !isWeight(weight));
    if (bad !== undefined) throw new RangeError(`weights: expected finite numbers above 0, got ${bad}`);
    const count = weights.length;
    this.#periods = new Float64Array(count);
    this.#fractions = new Float64Array(count);
    this.#rounds = new Int32Array(count);
    this.#lasts = new Int32Array(count).fill(-1);
    this.#nexts = new Int32Array(count);
    this.#slot = count - 1; // the next is the first
    // of the heaviest, as a sum of the largest numbers would be infinite
    const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0);
    const total = weights.reduce((sum, weight) => sum + weight / heaviest, 0);
    const offset = random();
    for (let index = 0; index < count; index++) {
      const period = Math.min(total / ((weights[index] as number) / heaviest), longestPeriod);
      this.#periods[index] = period;
      this.#schedule(index, 1 + period * ((offset + index * goldenStep) % 1));
    }
    for (let skipped = randomInt(random, 2 * count); skipped > 0; skipped--) this.next();
  }

  /** The index of the weight whose turn it is. */
  next(): number {
    for (;;) {
      const index = this.#rest;
      if (index < 0) {
        this.#slot = this.#slot + 1 === this.#lasts.length ? 0 : this.#slot + 1;
        const last = this.#lasts[this.#slot] as number;
        if (last < 0) continue;
        this.#rest = this.#nexts[last] as number;
        this.#nexts[last] = -1;
        this.#lasts[this.#slot] = -1;
        continue;
      }
      this.#rest = this.#nexts[index] as number;
      const rounds = this.#rounds[index] as number;
      if (rounds === 0) {
        // a period is at least one slot, so that it is in a later one, or in this one the next time round
        this.#schedule(index, (this.#fractions[index] as number) + (this.#periods[index] as number));
        return index;
      }
      this.#rounds[index] = rounds - 1;
      this.#push(index, this.#slot);
    }
  }

  /** `after` the beginning of the present slot, in slots: at least one. */
  #schedule(index: number, after: number): void {
    const count = this.#lasts.length;
    const slots = Math.floor(after);
    const rounds = Math.floor((slots - 1) / count);
    const slot = this.#slot + slots - rounds * count;
    this.#fractions[index] = after - slots;
    this.#rounds[index] = rounds;
    this.#push(index, slot < count ? slot : slot - count);
  }

  #push(index: number, slot: number): void {
    const last = this.#lasts[slot] as number;
    if (last < 0) {
      this.#nexts[index] = index;
    } else {
      this.#nexts[index] = this.#nexts[last] as number;
      this.#nexts[last] = index;
    }
    this.#lasts[slot] = index;
  }
}
