import { isIPv6 } from "node:net";
import { createEndpoint, type Endpoint, type EndpointInit, isWeight } from "../endpoint/endpoint.ts";
import type { ResolverFactory } from "./resolver.ts";

/**
 * A fixed set of endpoints: `staticEndpoints(["127.0.0.2:8080", { host: "127.0.0.3", port: 8080, zone: "a" }])`.
 *
 * Throws a `TypeError` for an address without host or port, and for the same endpoint twice.
 */
export function staticEndpoints(addresses: readonly (string | EndpointInit)[]): ResolverFactory {
  const endpoints = addresses.map(toEndpoint);
  const keys = new Set<string>();
  for (const { key } of endpoints) {
    if (keys.has(key)) throw new TypeError(`endpoint "${key}" is given twice`);
    keys.add(key);
  }
  return (_target, listener) => {
    listener({ kind: "endpoints", endpoints });
    return { resolveNow() {}, close() {} };
  };
}

function toEndpoint(address: string | EndpointInit): Endpoint {
  const init = typeof address === "string" ? parseAddress(address) : address;
  if (typeof init?.host !== "string" || !isHost(init.host)) {
    throw new TypeError(`malformed endpoint ${JSON.stringify(address)}: expected "host:port" or {host, port}`);
  }
  if (!Number.isInteger(init.port) || init.port < 1 || init.port > 65_535) {
    throw new TypeError(`malformed endpoint ${JSON.stringify(address)}: expected a port from 1 to 65535`);
  }
  if (init.weight !== undefined && !isWeight(init.weight)) {
    throw new TypeError(`malformed endpoint ${JSON.stringify(address)}: expected a finite weight above 0`);
  }
  return createEndpoint(init);
}

/** A name or an address, without brackets. */
function isHost(host: string): boolean {
  return host.includes(":") ? isIPv6(host) : /^[^[\]\s/]+$/.test(host);
}

function parseAddress(text: string): EndpointInit {
  const match = /^(?:\[([^[\]\s]*:[^[\]\s]*)\]|([^:[\]/\s]+)):(\d+)$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? "", port: Number(match?.[3]) };
}
