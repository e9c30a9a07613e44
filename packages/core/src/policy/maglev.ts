import { mix } from "../hash.ts";
import { numberOption } from "../options.ts";
import type { HashMember } from "./hash-members.ts";
import { type HashOptions, type HashTable, hashPolicy } from "./hash-policy.ts";
import type { Policy } from "./policy.ts";

export interface MaglevOptions extends HashOptions {
  /** A prime up to 5 000 011, best 100 times the endpoints or more. Default 65 537. */
  readonly tableSize?: number;
}

/**
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016), with
 * weights as Envoy's: as `ringHash`, with even shares and a cheaper pick, but a change of the set also moves a few keys
 * between endpoints that stay.
 *
 * Each endpoint owns its share of the table's places, rounded up or down: with a hundred endpoints in 65 537 places all
 * shares are equal to 0.2 %, with 10 000 to 15 %; where there are more endpoints than places, those left over get
 * nothing. The table is made anew with each change of the set. Weights are those of the endpoints: slow start does not
 * move keys. RPCs of an endpoint that has no ready connection, or is to be avoided, go on along a path of their own, so
 * that they are spread over all others.
 *
 * The hash is not Envoy's: its clients send a key elsewhere. Throws a `TypeError` or `RangeError`.
 */
export function maglev(options: MaglevOptions): Policy {
  const { tableSize = 65_537 } = options ?? {};
  const policy = hashPolicy("maglev", options, ["tableSize"], (members) => tableOf(members, tableSize));
  numberOption("tableSize", tableSize, { min: 2, max: 5_000_011, integer: true });
  if (!isPrime(tableSize)) throw new RangeError(`tableSize: expected a prime, got ${tableSize}`);
  return policy;
}

class MaglevTable implements HashTable {
  readonly owners: Uint32Array;

  constructor(owners: Uint32Array) {
    this.owners = owners;
  }

  placeOf(hash: number): number {
    return hash % this.owners.length;
  }

  /** Neighbours are not random: whose places are next to whose depends on the steps of their permutations. */
  strideOf(hash: number): number {
    return (mix(hash) % (this.owners.length - 1)) + 1;
  }
}

const free = 0xffffffff;

/**
 * The members take places in turn, each the first free one of its own permutation of all; one of weight w comes to its
 * turn in w of the rounds in which the heaviest comes to it always. A round costs as much as places are taken in it,
 * however far weights are apart.
 */
function tableOf(members: readonly HashMember[], size: number): MaglevTable {
  const owners = new Uint32Array(size).fill(free);
  const count = members.length;
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0);
  const weights = Float64Array.from(members, ({ weight }) => weight / heaviest);
  const places = Uint32Array.from(members, ({ high }) => high % size);
  const skips = Uint32Array.from(members, ({ low }) => (low % (size - 1)) + 1);
  const taken = new Uint32Array(count);
  const rounds = new Rounds(count, size);
  for (let number = 0; number < count; number++) rounds.add(number, 1);
  let left = size;
  for (let round = 1; left > 0; round++) {
    for (let number = rounds.take(round); number >= 0; number = left > 0 ? rounds.take(round) : -1) {
      const skip = skips[number] as number;
      let place = places[number] as number;
      while (owners[place] !== free) {
        place += skip;
        if (place >= size) place -= size;
      }
      owners[place] = number;
      places[number] = place;
      left--;
      const turns = (taken[number] as number) + 1;
      taken[number] = turns;
      rounds.add(number, Math.max(round + 1, Math.ceil(turns / (weights[number] as number))));
    }
  }
  return new MaglevTable(owners);
}

/** The members by the round of their next turn, in the order in which they were added. */
class Rounds {
  /** The last of each round, -1 where there is none; whom each one is followed by, the last by the first. */
  readonly #lasts: Int32Array;
  readonly #nexts: Int32Array;

  constructor(members: number, rounds: number) {
    this.#lasts = new Int32Array(rounds + 1).fill(-1);
    this.#nexts = new Int32Array(members);
  }

  /** Does nothing where that is no round: the heaviest has filled the table by then. */
  add(member: number, round: number): void {
    if (round >= this.#lasts.length) return;
    const last = this.#lasts[round] as number;
    if (last < 0) {
      this.#nexts[member] = member;
    } else {
      this.#nexts[member] = this.#nexts[last] as number;
      this.#nexts[last] = member;
    }
    this.#lasts[round] = member;
  }

  /** The first of a round; -1 when there is none left. */
  take(round: number): number {
    const last = this.#lasts[round] as number;
    if (last < 0) return -1;
    const first = this.#nexts[last] as number;
    if (first === last) this.#lasts[round] = -1;
    else this.#nexts[last] = this.#nexts[first] as number;
    return first;
  }
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return value >= 2;
}
