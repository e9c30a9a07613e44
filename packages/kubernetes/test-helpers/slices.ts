import type { EndpointSlice, SliceEndpoint, SlicePort } from "../src/api/endpoint-slice.ts";
import type { WatchEvent } from "../src/api/service-api.ts";

export interface SliceInit extends Partial<Omit<EndpointSlice, "metadata">> {
  readonly version?: string;
}

/** An IPv4 slice of the Service shop/orders, with one port: http, 8080. */
export function slice(name: string, { version = "1", ...init }: SliceInit = {}): EndpointSlice {
  return {
    metadata: {
      name,
      namespace: "shop",
      resourceVersion: version,
      labels: { "kubernetes.io/service-name": "orders" },
    },
    addressType: "IPv4",
    endpoints: [],
    ports: [httpPort],
    ...init,
  };
}

export const httpPort: SlicePort = { name: "http", port: 8080, protocol: "TCP" };
export const grpcPort: SlicePort = { name: "grpc", port: 9090, protocol: "TCP" };

/** `pod-7` at 10.0.0.7, ready. */
export function podEndpoint(number: number, init: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return {
    addresses: [`10.0.${number >> 8}.${number & 255}`],
    conditions: { ready: true, serving: true, terminating: false },
    targetRef: { kind: "Pod", namespace: "shop", name: `pod-${number}`, uid: `uid-${number}` },
    nodeName: `node-${number}`,
    ...init,
  };
}

export function added(object: EndpointSlice): WatchEvent {
  return { type: "ADDED", object };
}

export function modified(object: EndpointSlice): WatchEvent {
  return { type: "MODIFIED", object };
}

export function deleted(object: EndpointSlice): WatchEvent {
  return { type: "DELETED", object };
}

/** As API servers send them: with nothing but a version. */
export function bookmark(version: string): WatchEvent {
  const object = { metadata: { resourceVersion: version }, addressType: "", endpoints: null, ports: null };
  return { type: "BOOKMARK", object: object as unknown as EndpointSlice };
}

export function namesOf(slices: readonly EndpointSlice[] | undefined): string {
  return (slices ?? []).map(({ metadata }) => metadata.name).join(" ");
}
