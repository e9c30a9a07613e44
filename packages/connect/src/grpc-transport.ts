import { createTransport } from "@connectrpc/connect/protocol-grpc";
import type { TransportOptions } from "./options.ts";
import { type BalancedTransport, createBalancedTransport } from "./transport.ts";

/**
 * A transport for the gRPC protocol. Takes the place of the one of the same name in `@connectrpc/connect-node`.
 *
 * Throws a `TypeError` or `RangeError` that names the option at fault.
 */
export function createGrpcTransport(options: TransportOptions): BalancedTransport {
  return createBalancedTransport(options, createTransport);
}
