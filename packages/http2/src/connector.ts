import {
  type Clock,
  type Connection,
  type Connector,
  describeEndpoint,
  durationOption,
  systemClock,
  type Target,
} from "@evenkeel/core";
import type { NodeOptions } from "./dial.ts";
import type { KeepaliveOptions } from "./keepalive.ts";
import { NodeHttp2Connection } from "./node-http2-connection.ts";

/** All times in milliseconds. */
export interface Http2ConnectorOptions extends Partial<KeepaliveOptions> {
  /** Decides between TLS and plain text, and what `:authority` says. */
  readonly target: Target;
  /** For `tls.connect`, or a function that returns it, called for every dial: certificates may rotate. */
  readonly nodeOptions?: NodeOptions | (() => NodeOptions);
  readonly clock?: Clock;
}

/**
 * Dials HTTP/2: with prior knowledge (h2c) for `http://`, over TLS with ALPN for `https://` (RFC 9113, section 3).
 *
 * Throws a `RangeError` for a time that is not above 0.
 */
export function createHttp2Connector(options: Http2ConnectorOptions): Connector {
  const { target, nodeOptions = {}, clock = systemClock } = options;
  const keepalive = {
    pingIntervalMs: durationOption("pingIntervalMs", options.pingIntervalMs ?? Number.POSITIVE_INFINITY),
    pingIdleConnection: options.pingIdleConnection ?? false,
    pingTimeoutMs: durationOption("pingTimeoutMs", options.pingTimeoutMs ?? 15_000),
  };
  let dials = 0;
  return {
    connect(endpoint, listener): Connection {
      dials++;
      const connectionOptions = {
        ...keepalive,
        clock,
        target,
        nodeOptions: typeof nodeOptions === "function" ? nodeOptions : () => nodeOptions,
        label: `connection ${dials} to ${describeEndpoint(endpoint)}`,
      };
      return new NodeHttp2Connection(endpoint, connectionOptions, listener);
    },
  };
}
