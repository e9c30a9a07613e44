/** Where an endpoint listens. */
export interface Address {
  /** IP address; a host name is looked up when it is dialled. */
  readonly host: string;
  readonly port: number;
}

/** The unit of balancing: one pod, whatever the number of its addresses. */
export interface Endpoint {
  /** Stable identity: the same key is the same endpoint, whatever else changed. */
  readonly key: string;
  /** In the order in which they are dialled; at least one. */
  readonly addresses: readonly [Address, ...Address[]];
  /** Whether it accepts new RPCs, as EndpointSlice's condition. */
  readonly ready: boolean;
  /** Whether it still answers, also while it terminates, as EndpointSlice's condition. */
  readonly serving: boolean;
  /** Whether it is on its way out, as EndpointSlice's condition. */
  readonly terminating: boolean;
  /** Share of the load relative to the others: a number > 0. */
  readonly weight: number;
  readonly zone?: string;
  readonly podName?: string;
  readonly nodeName?: string;
  /** What a resolver knows beyond that. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface EndpointInit extends Partial<Omit<Endpoint, "addresses">> {
  readonly host: string;
  readonly port: number;
}

/** An endpoint with one address; what is not given gets its default: ready, serving, weight 1. */
export function createEndpoint(init: EndpointInit): Endpoint {
  const { host, port, ...rest } = init;
  return {
    key: formatAddress({ host, port }),
    ready: true,
    serving: true,
    terminating: false,
    weight: 1,
    attributes: {},
    ...rest,
    addresses: [{ host, port }],
  };
}

/** `host:port`, an IPv6 host in brackets. */
export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** How messages name an endpoint: `pod-1 (10.0.0.1:8080)`, or the address alone. */
export function describeEndpoint(endpoint: Endpoint): string {
  const address = formatAddress(endpoint.addresses[0]);
  return endpoint.podName === undefined ? address : `${endpoint.podName} (${address})`;
}

/** Whether a number can be a weight: it is finite and above 0. */
export function isWeight(weight: number): boolean {
  return weight > 0 && weight < Number.POSITIVE_INFINITY;
}

/** Throws a `RangeError` for an endpoint whose weight is no weight: a policy could not do with it. */
export function checkEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  for (const endpoint of endpoints) {
    const { weight } = endpoint;
    if (typeof weight === "number" && isWeight(weight)) continue;
    const name = describeEndpoint(endpoint);
    throw new RangeError(`the resolver's ${name} has weight ${weight}: expected a finite number above 0`);
  }
  return endpoints;
}

/**
 * The endpoints that may get new RPCs: the ready ones, or where there is none those that terminate but still serve,
 * as kube-proxy has it.
 */
export function usableEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready && !endpoint.terminating);
  return ready.length > 0 ? ready : endpoints.filter((endpoint) => endpoint.terminating && endpoint.serving);
}
