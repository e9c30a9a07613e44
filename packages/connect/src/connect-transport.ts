import { ConnectStream } from "./connect-stream.ts";
import { ConnectUnary } from "./connect-unary.ts";
import type { ConnectTransportOptions, ProtocolOptions } from "./options.ts";
import { type BalancedTransport, createBalancedTransport, type Protocols } from "./transport.ts";

/**
 * A transport for the Connect protocol. Takes the place of the one of the same name in `@connectrpc/connect-node`.
 *
 * Throws a `TypeError` or `RangeError` that names the option at fault.
 */
export function createConnectTransport(options: ConnectTransportOptions): BalancedTransport {
  return createBalancedTransport(options, connectProtocols);
}

export function connectProtocols(options: ProtocolOptions): Protocols {
  return { unary: new ConnectUnary(options), stream: new ConnectStream(options) };
}
