import { mix } from "../hash.ts";
import { numberOption } from "../options.ts";
import { compareMembers, type HashMember, isAlike } from "./hash-members.ts";
import { type HashOptions, type HashTable, hashPolicy } from "./hash-policy.ts";
import type { Policy } from "./policy.ts";

export interface RingHashOptions extends HashOptions {
  /** Points on the ring of an endpoint of weight 1: the more, the evener the shares. Default 1 024. */
  readonly minRingSize?: number;
  /** Points on the ring of all endpoints. Default 131 072. */
  readonly maxRingSize?: number;
}

const largestRing = 8_388_608; // Envoy's
/** A double has room for 32 bits of a point and 21 of a member. */
const maxMembers = 2 ** 21;

/**
 * Consistent hashing (Karger et al., 1997), as gRPC's `ring_hash` (gRFC A42, A76) and Envoy's: RPCs of one key go to one
 * endpoint, and go on along the ring while that has no ready connection or is to be avoided. An endpoint that leaves
 * takes only its own keys away; one of n + 1 that joins gets about 1 / (n + 1) of the keys of each.
 *
 * Each endpoint has `minRingSize` points for each unit of its weight, whoever else is there: gRPC's ring has fewer for
 * each the more there are, and then each change moves keys between endpoints that stay. Only when the points would be more
 * than `maxRingSize` everybody's are halved, which moves half of the keys: by default from 128 to 129 endpoints, 256 to
 * 257, and so on. Each has one at least. Weights are those of the endpoints: slow start does not move keys.
 *
 * The hash is not gRPC's nor Envoy's: their clients send a key elsewhere. Throws a `TypeError` or `RangeError`.
 */
export function ringHash(options: RingHashOptions): Policy {
  const { minRingSize = 1_024, maxRingSize = 131_072 } = options ?? {};
  const policy = hashPolicy("ringHash", options, ["minRingSize", "maxRingSize"], (members, before) =>
    ringOf(members, densityOf(members, minRingSize, maxRingSize), before),
  );
  numberOption("maxRingSize", maxRingSize, { min: 1, max: largestRing, integer: true });
  numberOption("minRingSize", minRingSize, { min: 1, max: largestRing, integer: true });
  if (minRingSize > maxRingSize) {
    throw new RangeError(`minRingSize: expected at most maxRingSize, which is ${maxRingSize}, got ${minRingSize}`);
  }
  return policy;
}

/** Points for a weight of 1: a power of two, so that it changes seldom. */
function densityOf(members: readonly HashMember[], minSize: number, maxSize: number): number {
  const weight = members.reduce((sum, member) => sum + member.weight, 0);
  const wanted = Math.ceil(Math.log2(minSize / Math.min(1, weight)));
  const bearable = Math.floor(Math.log2(maxSize / weight));
  return 2 ** Math.min(wanted, bearable);
}

class Ring implements HashTable {
  readonly members: readonly HashMember[];
  readonly density: number;
  readonly owners: Uint32Array;
  /** Ascending, each the end of an arc that belongs to its owner. */
  readonly #points: Uint32Array;
  /** Where the search for a hash begins, by its first bits: about as many as there are points. */
  readonly #starts: Uint32Array;
  readonly #shift: number;

  /** `points`: ascending, each with its owner in its last 21 bits. */
  constructor(members: readonly HashMember[], density: number, points: Float64Array) {
    this.members = members;
    this.density = density;
    this.owners = new Uint32Array(points.length);
    this.#points = new Uint32Array(points.length);
    this.#shift = Math.min(31, Math.clz32(points.length));
    this.#starts = new Uint32Array(2 ** (32 - this.#shift));
    let next = 0;
    for (let place = 0; place < points.length; place++) {
      const packed = points[place] as number;
      const point = Math.floor(packed / maxMembers);
      this.#points[place] = point;
      this.owners[place] = packed - point * maxMembers;
      while (next <= point >>> this.#shift) this.#starts[next++] = place;
    }
    this.#starts.fill(points.length, next);
  }

  placeOf(hash: number): number {
    const points = this.#points;
    let place = this.#starts[hash >>> this.#shift] as number;
    while (place < points.length && (points[place] as number) < hash) place++;
    return place === points.length ? 0 : place;
  }

  strideOf(): number {
    return 1;
  }

  /** The points of those that are still members, in their order, with their numbers of now. */
  kept(numbers: Int32Array): Float64Array {
    const kept = new Float64Array(this.#points.length);
    let count = 0;
    for (let place = 0; place < kept.length; place++) {
      const number = numbers[this.owners[place] as number] as number;
      if (number >= 0) kept[count++] = (this.#points[place] as number) * maxMembers + number;
    }
    return kept.subarray(0, count);
  }
}

/** The ring before, less the points of those that left, with the points of those that joined. */
function ringOf(members: readonly HashMember[], density: number, before: HashTable | undefined): Ring {
  const ring = before instanceof Ring && before.density === density ? before : undefined;
  const { numbers, joined } = compare(ring?.members ?? [], members);
  const fresh = pointsOf(members, joined, density);
  return new Ring(members, density, ring === undefined ? fresh : merge(ring.kept(numbers), fresh));
}

/** The points of some members, ascending. Where two have the same, it is the first member's. */
function pointsOf(members: readonly HashMember[], numbers: readonly number[], density: number): Float64Array {
  const counts = numbers.map((number) => Math.max(1, Math.round((members[number] as HashMember).weight * density)));
  const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let place = 0;
  for (const [index, number] of numbers.entries()) {
    const { high, low } = members[number] as HashMember;
    const count = counts[index] as number;
    for (let replica = 0; replica < count; replica++) {
      // both words: with 32 bits, two of 10 000 members would share all their points once in a hundred sets
      points[place++] = mix(high ^ mix(low + Math.imul(replica, 0x9e3779b9))) * maxMembers + number;
    }
  }
  return points.sort();
}

function merge(some: Float64Array, others: Float64Array): Float64Array {
  const merged = new Float64Array(some.length + others.length);
  let next = 0;
  let other = 0;
  for (let place = 0; place < merged.length; place++) {
    const isSome = other === others.length || (some[next] ?? Number.POSITIVE_INFINITY) < (others[other] as number);
    merged[place] = (isSome ? some[next++] : others[other++]) as number;
  }
  return merged;
}

/** What the numbers of those before are now, -1 for whoever left; the numbers of those that joined. */
function compare(
  before: readonly HashMember[],
  now: readonly HashMember[],
): { readonly numbers: Int32Array; readonly joined: readonly number[] } {
  const numbers = new Int32Array(before.length).fill(-1);
  const joined: number[] = [];
  let old = 0;
  for (const [number, member] of now.entries()) {
    while (old < before.length && compareMembers(before[old] as HashMember, member) < 0) old++;
    if (old < before.length && isAlike(before[old] as HashMember, member)) numbers[old++] = number;
    else joined.push(number);
  }
  return { numbers, joined };
}
