import { createEndpoint, type Endpoint } from "@evenkeel/core";
import type { EndpointConditions, EndpointSlice, SliceEndpoint } from "../api/endpoint-slice.ts";
import { type ChosenPort, portNumber } from "./port.ts";

/**
 * Turns the slices of a Service into endpoints, one a pod: addresses of both families are joined by the pod's UID, and
 * of an endpoint that is in two slices, as while it moves, what the newer slice says counts. Endpoints of slices that did
 * not change are the same objects as before.
 */
export class EndpointView {
  readonly #zone: string | undefined;
  #chosen: ChosenPort | undefined;
  #bySlice = new WeakMap<EndpointSlice, readonly Endpoint[]>();
  readonly #joined = new WeakMap<Endpoint, { readonly older: Endpoint; readonly both: Endpoint }>();

  /** `zone`: that of this client, which endpoints get as an attribute. */
  constructor(zone: string | undefined) {
    this.#zone = zone;
  }

  endpoints(slices: readonly EndpointSlice[], chosen: ChosenPort): readonly Endpoint[] {
    if (!isSame(chosen, this.#chosen)) this.#bySlice = new WeakMap();
    this.#chosen = chosen;
    const found = new Map<string, Endpoint>();
    for (const slice of [...slices].sort(newerFirst)) {
      for (const endpoint of this.#endpointsOf(slice, chosen)) {
        const newer = found.get(endpoint.key);
        found.set(endpoint.key, newer === undefined ? endpoint : this.#join(newer, endpoint));
      }
    }
    return [...found.values()];
  }

  #join(newer: Endpoint, older: Endpoint): Endpoint {
    const known = this.#joined.get(newer);
    if (known?.older === older) return known.both;
    const both = joined(newer, older);
    this.#joined.set(newer, { older, both });
    return both;
  }

  #endpointsOf(slice: EndpointSlice, chosen: ChosenPort): readonly Endpoint[] {
    let endpoints = this.#bySlice.get(slice);
    if (endpoints === undefined) {
      const port = portNumber(chosen, slice);
      endpoints = port === undefined ? [] : (slice.endpoints ?? []).flatMap((each) => this.#toEndpoint(each, port));
      this.#bySlice.set(slice, endpoints);
    }
    return endpoints;
  }

  #toEndpoint(from: SliceEndpoint, port: number): readonly Endpoint[] {
    const [host] = from.addresses ?? [];
    if (host === undefined) return [];
    const { targetRef, nodeName, zone, hints } = from;
    const podName = targetRef?.kind === "Pod" ? targetRef.name : undefined;
    const forZones = hints?.forZones?.map(({ name }) => name);
    const forNodes = hints?.forNodes?.map(({ name }) => name);
    const endpoint = createEndpoint({
      host,
      port,
      ...conditionsOf(from.conditions),
      ...(targetRef?.uid ? { key: `${targetRef.uid}:${port}` } : {}),
      ...(podName ? { podName } : {}),
      ...(nodeName ? { nodeName } : {}),
      ...(zone ? { zone } : {}),
      attributes: {
        ...(this.#zone === undefined ? {} : { clientZone: this.#zone }),
        ...(forZones === undefined ? {} : { forZones }),
        ...(forNodes === undefined ? {} : { forNodes }),
      },
    });
    return [endpoint];
  }
}

/** What is not said is so: Kubernetes' rule for `ready`; `serving` is then as `ready`. */
function conditionsOf(
  conditions: EndpointConditions | null | undefined,
): Pick<Endpoint, "ready" | "serving" | "terminating"> {
  const ready = conditions?.ready ?? true;
  return { ready, serving: conditions?.serving ?? ready, terminating: conditions?.terminating ?? false };
}

/** One endpoint of two slices: with the other's address, if that is of the other family; IPv4 is dialled first. */
function joined(newer: Endpoint, older: Endpoint): Endpoint {
  const [address] = older.addresses;
  const isV6 = address.host.includes(":");
  if (newer.addresses.some(({ host }) => host.includes(":") === isV6)) return newer;
  return { ...newer, addresses: isV6 ? [...newer.addresses, address] : [address, ...newer.addresses] };
}

/** Versions of one resource are decimal numbers of any length, in order of time (KEP-5504). */
function newerFirst({ metadata: a }: EndpointSlice, { metadata: b }: EndpointSlice): number {
  const [versionA = "", versionB = ""] = [a.resourceVersion, b.resourceVersion];
  if (versionA.length !== versionB.length) return versionB.length - versionA.length;
  return versionA < versionB ? 1 : versionA > versionB ? -1 : 0;
}

function isSame(a: ChosenPort, b: ChosenPort | undefined): boolean {
  return a.kind === b?.kind && JSON.stringify(a) === JSON.stringify(b);
}
