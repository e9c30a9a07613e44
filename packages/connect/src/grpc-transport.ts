import { Grpc } from "./grpc.ts";
import { type ProtocolOptions, requireHttp2, type TransportOptions } from "./options.ts";
import { type BalancedTransport, createBalancedTransport, type Protocols } from "./transport.ts";

/**
 * A transport for the gRPC protocol. Takes the place of the one of the same name in `@connectrpc/connect-node`.
 *
 * Throws a `TypeError` or `RangeError` that names the option at fault.
 */
export function createGrpcTransport(options: TransportOptions): BalancedTransport {
  requireHttp2(options);
  return createBalancedTransport(options, grpcProtocols);
}

export function grpcProtocols(options: ProtocolOptions): Protocols {
  return { unary: new Grpc(options, false), stream: new Grpc(options, true) };
}
