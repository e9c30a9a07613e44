import { createTransport } from "@connectrpc/connect/protocol-connect";
import type { ConnectTransportOptions } from "./options.ts";
import { type BalancedTransport, createBalancedTransport } from "./transport.ts";

/**
 * A transport for the Connect protocol. Takes the place of the one of the same name in `@connectrpc/connect-node`.
 *
 * Throws a `TypeError` or `RangeError` that names the option at fault.
 */
export function createConnectTransport(options: ConnectTransportOptions): BalancedTransport {
  return createBalancedTransport(options, createTransport);
}
