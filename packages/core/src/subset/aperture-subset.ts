import type { Endpoint } from "../endpoint/endpoint.ts";
import { hashString } from "../hash.ts";
import { checkKeys, numberOption } from "../options.ts";
import { byRank, clientIdOption, type Subset, sizeOption } from "./subset.ts";

export interface ApertureSubsetOptions {
  /** Endpoints to connect to; all where there are fewer. 1 to 1 000 000. */
  readonly size: number;
  /**
   * This client's number, from 0, and how many clients there are: a StatefulSet's ordinal and replicas. When `count`
   * changes, nearly every client gets another subset.
   */
  readonly clients?: { readonly index: number; readonly count: number };
  /** Where `clients` is not known: differs from client to client. Default as of `rendezvousSubset`. */
  readonly clientId?: string;
}

/** Where a client is on the ring: this share of the way around. */
interface Place {
  readonly index: number;
  readonly count: number;
}

/** A set, and what was chosen of it, by their keys. */
interface Choice {
  readonly of: ReadonlySet<string>;
  readonly chosen: ReadonlySet<string>;
}

/**
 * The endpoints that follow this client's place on a ring on which they are evenly spaced, in an order by the hash of
 * their keys (Finagle's deterministic aperture). With `clients`, every endpoint has as many clients as another, or one
 * more; with `clientId` alone the places are random, and `rendezvousSubset` does as well. Finagle's fractions of an
 * endpoint at the edges are left out: a set of endpoints cannot say them.
 *
 * An endpoint that comes or goes changes at most one of the subset. No ring has that by itself: where it comes into a
 * subset that spans the ring's end, that end may move as well. So the subset remembers the last set, and makes that
 * second change with the next: each channel needs one of its own. Throws a `TypeError` or `RangeError`.
 */
export function apertureSubset(options: ApertureSubsetOptions): Subset {
  checkKeys("apertureSubset", options, ["size", "clients", "clientId"]);
  const size = sizeOption(options.size);
  const place = placeOf(options);
  let last: Choice | undefined;
  return (endpoints) => {
    const of = new Set(endpoints.map(({ key }) => key));
    const ideal = aperture(endpoints, size, place);
    const chosen = last === undefined ? ideal : towards(ideal, last, of);
    last = { of, chosen };
    return endpoints.filter(({ key }) => chosen.has(key));
  };
}

function placeOf({ clients, clientId }: ApertureSubsetOptions): Place {
  if (clients === undefined) return { index: hashString(clientIdOption(clientId), 0), count: 2 ** 32 };
  if (clientId !== undefined) throw new TypeError("clientId: has no meaning beside clients");
  checkKeys("clients", clients, ["index", "count"]);
  const count = numberOption("clients.count", clients.count, { min: 1, max: 1_000_000, integer: true });
  return {
    index: numberOption("clients.index", clients.index, { min: 0, max: count - 1, integer: true }),
    count,
  };
}

function aperture(endpoints: readonly Endpoint[], size: number, { index, count }: Place): Set<string> {
  const ring = endpoints.map((endpoint) => ({ endpoint, rank: hashString(endpoint.key, 0) })).sort(byRank);
  const start = Math.floor((index * ring.length) / count);
  const width = Math.min(size, ring.length);
  return new Set([...ring.slice(start), ...ring].slice(0, width).map(({ endpoint }) => endpoint.key));
}

/** `ideal`, or where that differs from what was chosen by more than the set did, as near as that allows. */
function towards(ideal: ReadonlySet<string>, { of: before, chosen }: Choice, of: ReadonlySet<string>): Set<string> {
  const changes = missing(before, of).length + missing(of, before).length;
  const joining = missing(ideal, chosen);
  if (joining.length <= changes) return new Set(ideal);
  const kept = [...chosen].filter((key) => of.has(key));
  const staying = kept.filter((key) => ideal.has(key));
  const leaving = kept.filter((key) => !ideal.has(key));
  const joins = joining.slice(0, changes);
  return new Set([...staying, ...joins, ...leaving.slice(0, ideal.size - staying.length - joins.length)]);
}

/** Those of `keys` that are not in `others`. */
function missing(keys: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...keys].filter((key) => !others.has(key));
}
