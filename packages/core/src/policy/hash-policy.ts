import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import { hashString } from "../hash.ts";
import type { Candidate } from "../load/candidate.ts";
import { checkKeys, numberOption, typeOption } from "../options.ts";
import type { Picker, PickInfo, PickResult } from "../picker/picker.ts";
import { type Random, randomInt } from "../random.ts";
import { BoundedLoad } from "./bounded-load.ts";
import { areAlike, defaultEndpointKey, type EndpointKey, type HashMember, hashMembers } from "./hash-members.ts";
import type { Policy } from "./policy.ts";
import { type RequestKey, requestKeyOption } from "./request-key.ts";

/** What `ringHash` and `maglev` share. */
export interface HashOptions {
  readonly key: RequestKey;
  /**
   * How much above its share of the RPCs in flight an endpoint may have, from 1.05 to 100: with 1.25 an endpoint that has
   * a quarter more is passed over, and the RPC goes where it would go without that endpoint. Default none: a key stays
   * where it is, however hot.
   */
  readonly loadFactor?: number;
  /** Default: `attributes.hashKey`, else `podName`, else `key` of the endpoint. */
  readonly endpointKey?: EndpointKey;
}

/** Whom a key belongs to, and who comes after that. */
export interface HashTable {
  /** The number of the member that each place belongs to. */
  readonly owners: Uint32Array;
  /** The place of a key, by its hash, an unsigned 32-bit number. */
  placeOf(hash: number): number;
  /** How many places on is who comes after that, and so on; each place is come to. */
  strideOf(hash: number): number;
}

/**
 * Says whom the keys of these members belong to: a function of them alone, so that all clients agree. `before` is what it
 * said last, to make the next from.
 */
export type TableBuilder = (members: readonly HashMember[], before: HashTable | undefined) => HashTable;

/** Throws a `TypeError` or `RangeError`. */
export function hashPolicy(
  name: string,
  options: HashOptions,
  ownOptions: readonly string[],
  build: TableBuilder,
): Policy {
  checkKeys(name, options, ["key", "loadFactor", "endpointKey", ...ownOptions]);
  const { loadFactor, endpointKey = defaultEndpointKey } = options;
  const keyOf = requestKeyOption(options.key);
  typeOption("endpointKey", endpointKey, "function");
  if (loadFactor !== undefined) numberOption("loadFactor", loadFactor, { min: 1.05, max: 100 });

  return (previous, candidates, { endpoints, random }) => {
    const before = previous instanceof HashPicker && previous.placing.build === build ? previous.placing : undefined;
    const placing = place({ build, endpointKey, endpoints, candidates, before });
    return new HashPicker(placing, candidates, { keyOf, random, loadFactor });
  };
}

/** A table, and what it was made from. */
interface Placing {
  readonly build: TableBuilder;
  readonly endpoints: readonly Endpoint[];
  readonly members: readonly HashMember[];
  readonly table: HashTable;
  /** The numbers of the members, by the keys of their endpoints. */
  readonly numbers: ReadonlyMap<string, number>;
}

interface PlacingInit {
  readonly build: TableBuilder;
  readonly endpointKey: EndpointKey;
  readonly endpoints: readonly Endpoint[];
  readonly candidates: readonly Candidate[];
  readonly before: Placing | undefined;
}

/**
 * Endpoints without a ready connection have their places as well, and are passed over: one that comes back finds its
 * keys as they were, and meanwhile no others move.
 */
function place({ build, endpointKey, endpoints, candidates, before }: PlacingInit): Placing {
  if (before?.endpoints === endpoints && before.members.length === endpoints.length) {
    if (candidates.every(({ endpoint }) => before.numbers.has(endpoint.key))) return before;
  }
  const known = new Set(endpoints.map(({ key }) => key));
  const strangers = candidates.filter(({ endpoint }) => !known.has(endpoint.key));
  const members = hashMembers([...endpoints, ...strangers.map(({ endpoint }) => endpoint)], endpointKey);
  return {
    build,
    endpoints,
    members,
    table: before !== undefined && areAlike(members, before.members) ? before.table : build(members, before?.table),
    numbers: new Map(members.map(({ endpoint }, number) => [endpoint.key, number])),
  };
}

interface HashPickerOptions {
  readonly keyOf: (rpc: PickInfo) => string | undefined;
  readonly random: Random;
  readonly loadFactor: number | undefined;
}

class HashPicker<C extends Candidate> implements Picker<C> {
  readonly placing: Placing;
  readonly #owners: Uint32Array;
  readonly #results: readonly (PickResult<C> & { readonly kind: "complete" })[];
  /** Of the results, by the number of the member; -1 where it has no ready connection. */
  readonly #indexes: Int32Array;
  readonly #keyOf: (rpc: PickInfo) => string | undefined;
  readonly #random: Random;
  readonly #bound: BoundedLoad | undefined;
  /** In which walk each candidate was passed over last. */
  readonly #walks: Float64Array;
  #walk = 0;

  constructor(placing: Placing, candidates: readonly C[], options: HashPickerOptions) {
    this.placing = placing;
    this.#owners = placing.table.owners;
    this.#results = candidates.map((candidate) => ({ kind: "complete", candidate }));
    this.#indexes = new Int32Array(placing.members.length).fill(-1);
    for (let index = 0; index < candidates.length; index++) {
      const { key } = (candidates[index] as C).endpoint;
      this.#indexes[placing.numbers.get(key) as number] = index;
    }
    this.#keyOf = options.keyOf;
    this.#random = options.random;
    this.#bound = options.loadFactor === undefined ? undefined : new BoundedLoad(candidates, options.loadFactor);
    this.#walks = new Float64Array(candidates.length);
  }

  pick(info: PickInfo): PickResult<C> {
    let key: string | undefined;
    try {
      key = this.#keyOf(info);
    } catch (cause) {
      const message = `key: the function threw ${String(cause)}`;
      return { kind: "drop", error: new StatusError(StatusCode.internal, message, { cause }) };
    }
    const hash = key === undefined || key === "" ? randomInt(this.#random, 2 ** 32) : hashString(key, 0);
    const start = this.placing.table.placeOf(hash);
    if (this.#bound === undefined && info.avoid === undefined) {
      const index = this.#indexes[this.#owners[start] as number] as number;
      if (index >= 0) return this.#results[index] as PickResult<C>;
    }
    const index = this.#search(start, this.placing.table.strideOf(hash), info.avoid);
    this.#bound?.picked(index);
    return this.#results[index] as PickResult<C>;
  }

  report(candidate: C): void {
    this.#bound?.ended(candidate);
  }

  /** The first from there on that may take it: rather one that has more than its share than one that is to be avoided. */
  #search(start: number, stride: number, avoid: PickInfo["avoid"]): number {
    const count = this.#results.length;
    const length = this.#owners.length;
    const walk = ++this.#walk;
    let first = -1;
    let firstBusy = -1;
    let place = start;
    for (let step = 0, passed = 0; step < length && passed < count; step++) {
      const index = this.#indexes[this.#owners[place] as number] as number;
      place += stride;
      if (place >= length) place -= length;
      if (index < 0 || this.#walks[index] === walk) continue;
      const { candidate } = this.#results[index] as { candidate: C };
      if (avoid?.has(candidate.endpoint.key) !== true) {
        if (this.#bound === undefined || this.#bound.admits(index)) return index;
        if (firstBusy < 0) firstBusy = index;
      }
      if (first < 0) first = index;
      this.#walks[index] = walk;
      passed++;
    }
    if (firstBusy >= 0) return firstBusy;
    // none has a place: there are more endpoints than places
    return first >= 0 ? first : randomInt(this.#random, count);
  }
}
