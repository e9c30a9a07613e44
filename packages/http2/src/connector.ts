import {
  type Clock,
  type Connection,
  type Connector,
  describeEndpoint,
  durationOption,
  systemClock,
  type Target,
} from "@evenkeel/core";
import { ClientConnection } from "./client-connection.ts";
import type { NodeOptions } from "./dial.ts";
import { ErrorCode } from "./error-code.ts";
import { maxUint31 } from "./frames/frame.ts";
import { initialSettings } from "./frames/settings.ts";
import type { KeepaliveOptions } from "./keepalive.ts";
import { RequestEncoder } from "./request-encoder.ts";

/** All times in milliseconds. */
export interface Http2ConnectorOptions extends Partial<KeepaliveOptions> {
  /** Decides between TLS and plain text, and what `:authority` says. */
  readonly target: Target;
  /** For `tls.connect`, or a function that returns it, called for every dial: certificates may rotate. */
  readonly nodeOptions?: NodeOptions | (() => NodeOptions);
  /** Bytes of a response that may arrive before its reader takes them; bounds the memory of a stream. Default 4 MiB. */
  readonly initialWindowSize?: number;
  /** Bytes of all responses that may be under way on a connection. Default 16 MiB. */
  readonly connectionWindowSize?: number;
  readonly clock?: Clock;
}

/**
 * Dials HTTP/2: with prior knowledge (h2c) for `http://`, over TLS with ALPN for `https://` (RFC 9113, section 3).
 *
 * Throws a `RangeError` for a time that is not above 0, or a window out of range.
 */
export function createHttp2Connector(options: Http2ConnectorOptions): Connector {
  const { target, nodeOptions = {}, clock = systemClock } = options;
  let pingIntervalMs = durationOption("pingIntervalMs", options.pingIntervalMs ?? Number.POSITIVE_INFINITY);
  const shared = {
    pingIdleConnection: options.pingIdleConnection ?? false,
    pingTimeoutMs: durationOption("pingTimeoutMs", options.pingTimeoutMs ?? 15_000),
    initialWindowSize: windowOption("initialWindowSize", options.initialWindowSize ?? 4 * 1024 * 1024),
    connectionWindowSize: windowOption("connectionWindowSize", options.connectionWindowSize ?? 16 * 1024 * 1024),
    clock,
    target,
    nodeOptions: typeof nodeOptions === "function" ? nodeOptions : () => nodeOptions,
    encoder: new RequestEncoder(target),
  };
  let dials = 0;
  return {
    connect(endpoint, listener): Connection {
      dials++;
      const label = `connection ${dials} to ${describeEndpoint(endpoint)}`;
      const ownIntervalMs = pingIntervalMs;
      return new ClientConnection(
        endpoint,
        { ...shared, pingIntervalMs: ownIntervalMs, label },
        {
          ready: () => listener.ready(),
          capacity: () => listener.capacity(),
          suspicion: () => listener.suspicion(),
          goaway(goaway) {
            // gRFC A8: who is told off pings half as often from then on, and no less where many are told off at once
            const isTold = goaway.errorCode === ErrorCode.enhanceYourCalm && goaway.debugData === "too_many_pings";
            if (isTold) pingIntervalMs = Math.max(pingIntervalMs, 2 * ownIntervalMs);
            listener.goaway(goaway);
          },
          closed: (end) => listener.closed(end),
        },
      );
    },
  };
}

function windowOption(name: string, value: number): number {
  const min = initialSettings.initialWindowSize;
  if (Number.isInteger(value) && value > min && value <= maxUint31) return value;
  throw new RangeError(`${name}: expected an integer above ${min} and up to ${maxUint31}, got ${String(value)}`);
}
