import { type Clock, type Connector, describeEndpoint, durationOption, systemClock, type Target } from "@evenkeel/core";
import { Http1Connection } from "./http1-connection.ts";
import { checkNodeOptions, type Http1NodeOptions } from "./node-options.ts";

export interface Http1ConnectorOptions {
  /** Decides between TLS and plain text, and what `Host` says. */
  readonly target: Target;
  /** For `http.request` and `https.request`, or a function that returns it, called for every dial. */
  readonly nodeOptions?: Http1NodeOptions | (() => Http1NodeOptions);
  /** How long a request may wait for a new socket to connect, in milliseconds. Default 5 000. */
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
}

/**
 * Connections for HTTP/1.1 (RFC 9112). Each stands for an endpoint: its requests go by the sockets of one keep-alive
 * agent, as many at a time as there are requests. An endpoint that refuses a later socket retires its connection as
 * GOAWAY with CONNECT_ERROR would.
 *
 * Throws a `TypeError` for a node option that something else decides, a `RangeError` for a time that is not above 0.
 */
export function createHttp1Connector(options: Http1ConnectorOptions): Connector {
  const { target, nodeOptions = {}, clock = systemClock } = options;
  const connectTimeoutMs = durationOption("connectTimeoutMs", options.connectTimeoutMs ?? 5_000);
  if (typeof nodeOptions !== "function") checkNodeOptions(nodeOptions);
  let dials = 0;
  return {
    connect(endpoint, listener) {
      dials++;
      const connectionOptions = {
        target,
        nodeOptions: typeof nodeOptions === "function" ? nodeOptions : () => nodeOptions,
        connectTimeoutMs,
        clock,
        label: `connection ${dials} to ${describeEndpoint(endpoint)}`,
      };
      return new Http1Connection(endpoint, connectionOptions, listener);
    },
  };
}
