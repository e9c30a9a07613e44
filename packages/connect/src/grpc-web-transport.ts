import { GrpcWeb } from "./grpc-web.ts";
import type { ProtocolOptions, TransportOptions } from "./options.ts";
import { type BalancedTransport, createBalancedTransport, type Protocols } from "./transport.ts";

/**
 * A transport for the gRPC-Web protocol. Takes the place of the one of the same name in `@connectrpc/connect-node`.
 *
 * Throws a `TypeError` or `RangeError` that names the option at fault.
 */
export function createGrpcWebTransport(options: TransportOptions): BalancedTransport {
  return createBalancedTransport(options, grpcWebProtocols);
}

export function grpcWebProtocols(options: ProtocolOptions): Protocols {
  return { unary: new GrpcWeb(options, false), stream: new GrpcWeb(options, true) };
}
