import { createEndpoint, type Endpoint, formatAddress } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";

/** What a resolver of ours knows of an endpoint, which grpc-js has no place for. */
const known = new WeakMap<experimental.Endpoint, Endpoint>();

/** For grpc-js, which takes it for the addresses that it has. */
export function toGrpcEndpoint(endpoint: Endpoint): experimental.Endpoint {
  const grpcEndpoint = { addresses: endpoint.addresses.map(({ host, port }) => ({ host, port })) };
  known.set(grpcEndpoint, endpoint);
  return grpcEndpoint;
}

/** What is known of an endpoint of grpc-js: all, where a resolver of ours found it, else its addresses. */
export function toEndpoint(grpcEndpoint: experimental.Endpoint): Endpoint {
  const endpoint = known.get(grpcEndpoint);
  if (endpoint !== undefined) return endpoint;
  const [first, ...rest] = grpcEndpoint.addresses.map((address) =>
    "port" in address ? { host: address.host, port: address.port } : { host: address.path, port: 0 },
  );
  if (first === undefined) throw new RangeError("an endpoint without an address");
  const key = [first, ...rest].map(formatAddress).sort().join(); // its addresses are a set
  return { ...createEndpoint({ ...first, key }), addresses: [first, ...rest] };
}
