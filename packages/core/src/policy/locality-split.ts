import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";
import type { PolicyContext } from "./policy.ts";

export interface SplitOptions {
  /** Of this client; `undefined`: what the endpoints say. */
  readonly zone: string | undefined;
  /** Where neither says it. */
  readonly defaultZone: string | undefined;
  readonly hints: "honour" | "ignore";
  readonly overprovisioning: number;
  readonly maxLoadRatio: number;
}

/** Candidates, and the endpoints that they are of: also those without a ready connection. */
export interface Side<C extends Candidate> {
  readonly candidates: readonly C[];
  readonly endpoints: readonly Endpoint[];
}

export interface Split<C extends Candidate> {
  readonly local: Side<C>;
  readonly others: Side<C>;
  /** Of the traffic, for the local ones: what their health and their number allow. From 0 to 1. */
  readonly share: number;
}

/** Divides candidates into those that are local to this client and the others. */
export function splitByLocality<C extends Candidate>(
  candidates: readonly C[],
  context: PolicyContext,
  options: SplitOptions,
): Split<C> {
  const known = context.endpoints.length > 0 ? context.endpoints : candidates.map(({ endpoint }) => endpoint);
  const zone = options.zone ?? clientZoneOf(known) ?? options.defaultZone;
  const side = (isOfIt: (endpoint: Endpoint) => boolean): Side<C> => ({
    candidates: candidates.filter(({ endpoint }) => isOfIt(endpoint)),
    endpoints: known.filter(isOfIt),
  });
  if (zone === undefined) return { local: side(() => false), others: side(() => true), share: 0 };
  const zones = new Zones(candidates, context, zone);
  const isHinted = (endpoint: Endpoint) => zonesHintedFor(endpoint).includes(zone);
  const isInZone = (endpoint: Endpoint) => endpoint.zone === zone;
  const useHints =
    options.hints === "honour" &&
    hintsAreComplete(known) &&
    known.some(isHinted) &&
    zones.expectedLoad(candidates.filter(({ endpoint }) => isHinted(endpoint))) <= options.maxLoadRatio;
  const isLocal = useHints ? isHinted : isInZone;
  const local = side(isLocal);
  const others = side((endpoint) => !isLocal(endpoint));
  if (local.candidates.length === 0) return { local, others, share: 0 };
  if (others.candidates.length === 0) return { local, others, share: 1 };
  const byHealth = shareByHealth(local, others, options.overprovisioning);
  const byNumber = Math.min(1, options.maxLoadRatio / zones.expectedLoad(local.candidates));
  const share = Math.min(byHealth, byNumber);
  if (byNumber === 1) return { local, others, share };
  const spare = side((endpoint) => !isLocal(endpoint) && zones.hasRoom(endpoint));
  return { local, others: spare.candidates.length > 0 ? spare : others, share };
}

/**
 * What each zone has to bear if the clients of every zone send as much as those of another, as Envoy's zone aware routing
 * has it of clients that are spread evenly.
 */
class Zones {
  readonly #context: PolicyContext;
  /** Of the ready endpoints by zone; 0 where a zone has none. */
  readonly #weights = new Map<string, number>();
  /** What a zone would have if all had the same. */
  readonly #evenWeight: number;

  constructor(candidates: readonly Candidate[], context: PolicyContext, clientZone: string) {
    this.#context = context;
    this.#weights.set(clientZone, 0);
    for (const { zone } of context.endpoints) if (zone !== undefined) this.#weights.set(zone, 0);
    let total = 0;
    for (const candidate of candidates) {
      const { zone } = candidate.endpoint;
      const weight = context.weightOf(candidate);
      total += weight;
      if (zone !== undefined) this.#weights.set(zone, (this.#weights.get(zone) ?? 0) + weight);
    }
    this.#evenWeight = total / this.#weights.size;
  }

  /** Of each of these, relative to the mean of all endpoints, where they serve the clients of one zone. */
  expectedLoad(candidates: readonly Candidate[]): number {
    return this.#evenWeight / candidates.reduce((sum, candidate) => sum + this.#context.weightOf(candidate), 0);
  }

  /** Whether its zone has more endpoints than its own clients need. */
  hasRoom({ zone }: Endpoint): boolean {
    return zone === undefined || (this.#weights.get(zone) ?? 0) > this.#evenWeight;
  }
}

/** Envoy's priority levels: what the health of the local ones cannot bear is for the others, as far as theirs can. */
function shareByHealth(local: Side<Candidate>, others: Side<Candidate>, overprovisioning: number): number {
  const localHealth = healthOf(local, overprovisioning);
  return localHealth / Math.min(1, localHealth + healthOf(others, overprovisioning));
}

/** From 0 to 1. */
function healthOf({ candidates, endpoints }: Side<Candidate>, overprovisioning: number): number {
  const ready = weightOfAll(candidates.map(({ endpoint }) => endpoint));
  return Math.min(1, (overprovisioning * ready) / weightOfAll(endpoints));
}

function weightOfAll(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}

/** The zone that a resolver knows this client to be in. */
function clientZoneOf(endpoints: readonly Endpoint[]): string | undefined {
  for (const { attributes } of endpoints) {
    if (typeof attributes["clientZone"] === "string") return attributes["clientZone"];
  }
  return undefined;
}

/** EndpointSlice's `hints.forZones`. */
function zonesHintedFor({ attributes }: Endpoint): readonly unknown[] {
  const { forZones } = attributes;
  return Array.isArray(forZones) ? forZones : [];
}

/** kube-proxy's rule: every ready endpoint has hints. */
function hintsAreComplete(endpoints: readonly Endpoint[]): boolean {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 && ready.every((endpoint) => zonesHintedFor(endpoint).length > 0);
}
