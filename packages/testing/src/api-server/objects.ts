import type { EndpointSlice, ObjectMeta } from "@evenkeel/kubernetes";

/** The parts of a `v1` Service that are of use here; what else is given is kept, and answered with. */
export interface ServiceObject {
  readonly metadata: ObjectMeta;
  readonly spec?: ServiceObjectSpec;
}

export interface ServiceObjectSpec {
  /** "None": headless. */
  readonly clusterIP?: string;
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  readonly ports?: readonly {
    readonly name?: string;
    readonly port: number;
    /** A port of the pods, or the name of one. */
    readonly targetPort?: number | string;
    readonly protocol?: "TCP" | "UDP" | "SCTP";
  }[];
  readonly selector?: Readonly<Record<string, string>> | null;
}

const maxEndpoints = 1_000;

/** Throws a `TypeError` or `RangeError` that names the field. */
export function checkSlice(slice: EndpointSlice): EndpointSlice {
  checkMetadata(slice);
  const { addressType, endpoints, ports } = slice;
  if (addressType !== "IPv4" && addressType !== "IPv6" && addressType !== "FQDN") {
    throw new TypeError(`addressType: expected "IPv4", "IPv6" or "FQDN", got ${JSON.stringify(addressType)}`);
  }
  for (const [name, list] of Object.entries({ endpoints, ports })) {
    if (list !== undefined && list !== null && !Array.isArray(list)) throw new TypeError(`${name}: expected an array`);
  }
  if ((endpoints?.length ?? 0) > maxEndpoints) {
    throw new RangeError(`endpoints: expected at most ${maxEndpoints}, as in Kubernetes, got ${endpoints?.length}`);
  }
  if (endpoints?.some((endpoint) => !Array.isArray(endpoint.addresses) || endpoint.addresses.length === 0)) {
    throw new TypeError("endpoints: expected addresses in each");
  }
  return {
    ...slice,
    endpoints: endpoints ?? null,
    ports: ports?.map((port) => ({ ...port, name: port.name ?? "", protocol: port.protocol ?? "TCP" })) ?? null,
  };
}

/** What Services without a cluster IP of their own get. */
const clusterIP = "10.96.83.83";

/** Adds what the real server adds to a Service for one family of addresses. Throws as above. */
export function checkService(service: ServiceObject): ServiceObject {
  checkMetadata(service);
  const { spec = {} } = service;
  const ports = spec.ports?.map((port) => ({ ...port, protocol: port.protocol ?? "TCP" }));
  const ip = spec.clusterIP ?? clusterIP;
  const families = { ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack", internalTrafficPolicy: "Cluster" };
  const addresses = spec.type === "ExternalName" ? {} : { clusterIP: ip, clusterIPs: [ip], ...families };
  const defaults = { ...addresses, sessionAffinity: "None", type: "ClusterIP" as const };
  return { ...service, spec: { ...defaults, ...spec, ...(ports && { ports }) }, ...{ status: { loadBalancer: {} } } };
}

function checkMetadata({ metadata }: { readonly metadata: ObjectMeta }): void {
  const { name, namespace = "default", labels = {} } = metadata ?? {};
  if (typeof name !== "string" || name.length > 253 || !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name)) {
    throw new TypeError(`metadata.name: expected a DNS subdomain, got ${JSON.stringify(name)}`);
  }
  if (typeof namespace !== "string" || !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new TypeError(`metadata.namespace: expected a DNS label, got ${JSON.stringify(namespace)}`);
  }
  if (Object.values(labels).some((value) => typeof value !== "string")) {
    throw new TypeError(`metadata.labels: expected strings, got ${JSON.stringify(labels)}`);
  }
}
