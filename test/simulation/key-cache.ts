import type { Random } from "@evenkeel/core";

/** What the RPCs of a scenario are about: keys, some of them asked for much more often than others. */
export interface Keys {
  readonly count: number;
  /** Zipf's exponent: the n-th key is asked for 1 / n^skew times as often as the first. */
  readonly skew: number;
  /** Keys that a pod keeps, those that it was asked for last. */
  readonly cachedPerPod: number;
  /** Of the work, what is left where the pod has the key. */
  readonly hitCost: number;
}

/** Draws keys. */
export function zipf({ count, skew }: Keys): (random: Random) => string {
  const ends = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += (rank + 1) ** -skew;
    ends[rank] = sum;
  }
  return (random) => {
    const drawn = random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] as number) > drawn) high = middle;
      else low = middle + 1;
    }
    return `key-${low}`;
  };
}

/** The keys that a pod was asked for last. */
export class KeyCache {
  readonly #keys: Keys;
  readonly #kept = new Set<string>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** The share of the work that is to be done for this key, which is kept from now on. */
  costOf(key: string): number {
    const isKept = this.#kept.delete(key);
    this.#kept.add(key);
    if (this.#kept.size > this.#keys.cachedPerPod) {
      for (const oldest of this.#kept) {
        this.#kept.delete(oldest);
        break;
      }
    }
    return isKept ? this.#keys.hitCost : 1;
  }
}
