import type { Duplex } from "node:stream";

/**
 * Why the server retires a connection. `maxRequests`: an HTTP/1.1 connection that has carried
 * `maxRequestsPerConnection`. `tooManyPings`: the client pings more often than `minPingIntervalMs` allows.
 */
export type RetireCause = "maxAge" | "idle" | "maxRequests" | "tooManyPings" | "requested" | "shutdown";

/**
 * Why a connection is closed. `retired`: the orderly end of a retirement. `graceOver`: its streams outlasted
 * `maxConnectionAgeGraceMs`. `keepaliveTimeout`: the client answered no PING for `keepaliveTimeoutMs`. `forced`: its
 * streams outlasted `drainTimeoutMs`, or the shutdown was forced. `other`: the client, the network, or the program by
 * means of its own.
 */
export type CloseCause = "retired" | "graceOver" | "keepaliveTimeout" | "forced" | "other";

/**
 * What came of the first of the two GOAWAYs. `acknowledged`: the client has answered the PING behind it. `unanswered`:
 * not within `goawayPingTimeoutMs`. `busy`: it found no gap to be written into within `goawayNoticeTimeoutMs`, and
 * `unsupported`: there is no way to write it on this connection, so that the final GOAWAY is the only one. `needless`:
 * the session was closing already, by the client's GOAWAY or by the program's `session.close()`, or its client is told
 * to calm down.
 */
export type NoticeOutcome =
  | { readonly kind: "acknowledged" | "unanswered" | "busy" | "needless" }
  | { readonly kind: "unsupported"; readonly reason: string };

/**
 * `handshake`: the protocol is not settled. `ready`: in use. `retiring`: told to open no more streams, those that come are
 * still served; over HTTP/1.1 the next response says that it is the last one. `draining`: the final GOAWAY is out,
 * streams finish.
 */
export type ConnectionState = "handshake" | "ready" | "retiring" | "draining" | "closed";

/** A connection of a managed server, as plain JSON. */
export interface ConnectionSnapshot {
  /** Counts from 1 in the order in which the lifecycle saw the connections. */
  readonly id: number;
  /** `tls` while it is negotiated, `tcp` while the first bytes have yet to tell. */
  readonly protocol: "h2" | "h2c" | "http/1.1" | "tls" | "tcp";
  /** `address:port`; absent for UNIX sockets. */
  readonly remote?: string;
  readonly state: ConnectionState;
  /** Milliseconds since the lifecycle saw it. */
  readonly ageMs: number;
  /** HTTP/2 streams or HTTP/1.1 requests that are under way. */
  readonly openStreams: number;
  /** HTTP/2 streams or HTTP/1.1 requests so far. */
  readonly streams: number;
  /** 0, 1 or 2; node may repeat the last one. */
  readonly goawaysSent: number;
}

/** What happened to a connection. */
export type ConnectionChange =
  | { readonly type: "opened"; readonly connection: ConnectionSnapshot }
  | { readonly type: "retiring"; readonly connection: ConnectionSnapshot; readonly cause: RetireCause }
  | { readonly type: "draining"; readonly connection: ConnectionSnapshot; readonly notice: NoticeOutcome }
  | { readonly type: "closed"; readonly connection: ConnectionSnapshot; readonly cause: CloseCause };

/**
 * Published on the diagnostics channel `evenkeel:server.connection`. `refused`: closed as it arrived, since
 * `maxConnections` were open.
 */
export type ConnectionEvent =
  | ConnectionChange
  | { readonly type: "refused"; readonly remote?: string; readonly maxConnections: number };

/** What a lifecycle does with a connection, whatever its protocol. */
export interface Connection {
  snapshot(): ConnectionSnapshot;
  /** Begins to end the connection without losing an RPC. Does nothing the second time. */
  retire(cause: RetireCause): void;
  /** Destroys the socket. */
  destroy(cause: "graceOver" | "forced"): void;
  /** The lifecycle's limits have changed. */
  review(): void;
}

/** What a connection reports to its lifecycle. */
export interface ConnectionObserver {
  onChange(change: ConnectionChange): void;
  /** Called once and last. */
  onClose(connection: Connection): void;
}

/** The socket of a connection, or a stream in its place. */
export type ConnectionSocket = Duplex & {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
};

/** @returns `address:port` of the peer, nothing for UNIX sockets. */
export function remoteOf(socket: Pick<ConnectionSocket, "remoteAddress" | "remotePort">): { readonly remote?: string } {
  if (socket.remoteAddress === undefined || socket.remotePort === undefined) return {};
  const host = socket.remoteAddress.includes(":") ? `[${socket.remoteAddress}]` : socket.remoteAddress;
  return { remote: `${host}:${socket.remotePort}` };
}
