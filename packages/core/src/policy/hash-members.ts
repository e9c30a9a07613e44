import type { Endpoint } from "../endpoint/endpoint.ts";
import { hashString } from "../hash.ts";
import { checkWeight } from "./weights.ts";

/** An endpoint as a hash policy sees it: what decides which keys are its own, connected or not. */
export interface HashMember {
  readonly endpoint: Endpoint;
  /** The endpoint's. That of a candidate while it warms up does not count: its keys would move twice. */
  readonly weight: number;
  /** 64 bits of hash of the name that it keeps; `low` is another hash, not a part of the same. Unsigned. */
  readonly high: number;
  readonly low: number;
}

/**
 * The name of an endpoint that decides which keys are its own; it should survive a change of the address. Where it is
 * empty, or no string, the endpoint's `key` stands in.
 */
export type EndpointKey = (endpoint: Endpoint) => string | undefined;

/** `attributes.hashKey` (gRFC A76), else the pod's name, which that of a StatefulSet keeps, else `endpoint.key`. */
export const defaultEndpointKey: EndpointKey = ({ attributes, podName }) => {
  const hashKey = attributes["hashKey"];
  return typeof hashKey === "string" && hashKey !== "" ? hashKey : podName;
};

const seeds = [0x2545f491, 0x9e3779b9] as const;

/**
 * The members in an order that does not depend on that of the endpoints, so that all clients agree.
 *
 * Endpoints that share a name are told apart by their keys; their keys move then, as if they were new. Throws a
 * `RangeError` for a weight that is not above 0, or is infinite: a table of such members would never be full.
 */
export function hashMembers(endpoints: readonly Endpoint[], endpointKey: EndpointKey): HashMember[] {
  const names = endpoints.map((endpoint) => {
    const name = endpointKey(endpoint);
    return typeof name === "string" && name !== "" ? name : endpoint.key;
  });
  const shared = sharedNames(names);
  const members = endpoints.map((endpoint, index) => {
    const own = names[index] as string;
    const name = shared.has(own) ? `${own} ${endpoint.key}` : own;
    const weight = checkWeight(endpoint, endpoint.weight);
    return { endpoint, weight, high: hashString(name, seeds[0]), low: hashString(name, seeds[1]) };
  });
  return members.sort(compareMembers);
}

export function compareMembers(a: HashMember, b: HashMember): number {
  return a.high - b.high || a.low - b.low;
}

/** Whether the same keys belong to the same members. */
export function areAlike(some: readonly HashMember[], others: readonly HashMember[]): boolean {
  if (some.length !== others.length) return false;
  return some.every((member, index) => isAlike(member, others[index] as HashMember));
}

export function isAlike(one: HashMember, other: HashMember): boolean {
  return one.high === other.high && one.low === other.low && one.weight === other.weight;
}

function sharedNames(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) shared.add(name);
    seen.add(name);
  }
  return shared;
}
