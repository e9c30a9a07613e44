/** Why the server retires a connection. */
export type RetireCause = "maxAge" | "requested" | "shutdown";

/**
 * Why a connection is closed. `retired`: the orderly end of a retirement. `graceOver`: its streams outlasted
 * `maxConnectionAgeGraceMs`. `forced`: they outlasted `drainTimeoutMs`, or the shutdown was forced. `other`: the client,
 * the network, or the program by means of its own.
 */
export type CloseCause = "retired" | "graceOver" | "forced" | "other";

/**
 * What came of the first of the two GOAWAYs. `acknowledged`: the client has answered the PING behind it. `unanswered`:
 * not within `goawayPingTimeoutMs`. `busy`: it found no gap to be written into within `goawayNoticeTimeoutMs`, and
 * `unsupported`: there is no way to write it on this connection, so that the final GOAWAY is the only one. `needless`:
 * the session was closing already, by the client's GOAWAY or by the program's `session.close()`.
 */
export type NoticeOutcome =
  | { readonly kind: "acknowledged" | "unanswered" | "busy" | "needless" }
  | { readonly kind: "unsupported"; readonly reason: string };

/**
 * `handshake`: TLS is being negotiated. `ready`: in use. `retiring`: told to open no more streams, those that come are
 * still served. `draining`: the final GOAWAY is out, streams finish.
 */
export type ConnectionState = "handshake" | "ready" | "retiring" | "draining" | "closed";

/** A connection of a managed server, as plain JSON. */
export interface ConnectionSnapshot {
  /** Counts from 1 in the order in which the lifecycle saw the connections. */
  readonly id: number;
  /** What was negotiated, `tls` while it is. Connections of HTTP/1.1 are waited for and not retired. */
  readonly protocol: "h2" | "h2c" | "http/1.1" | "tls";
  /** `address:port`; absent for UNIX sockets. */
  readonly remote?: string;
  readonly state: ConnectionState;
  /** Milliseconds since the lifecycle saw it. */
  readonly ageMs: number;
  /** HTTP/2 streams that are open. */
  readonly openStreams: number;
  /** 0, 1 or 2; node may repeat the last one. */
  readonly goawaysSent: number;
}

/** Published on the diagnostics channel `evenkeel:server.connection`. */
export type ConnectionEvent =
  | { readonly type: "opened"; readonly connection: ConnectionSnapshot }
  | { readonly type: "retiring"; readonly connection: ConnectionSnapshot; readonly cause: RetireCause }
  | { readonly type: "draining"; readonly connection: ConnectionSnapshot; readonly notice: NoticeOutcome }
  | { readonly type: "closed"; readonly connection: ConnectionSnapshot; readonly cause: CloseCause };

/** What a lifecycle does with a connection, whatever its protocol. */
export interface Connection {
  snapshot(): ConnectionSnapshot;
  /** Begins to end the connection without losing an RPC. Does nothing the second time. */
  retire(cause: RetireCause): void;
  /** Destroys the socket. */
  destroy(cause: "graceOver" | "forced"): void;
}

/** What a connection reports to its lifecycle. */
export interface ConnectionObserver {
  onEvent(event: ConnectionEvent): void;
  /** Called once and last. */
  onClose(connection: Connection): void;
}

/** @returns `address:port` of the peer, nothing for UNIX sockets. */
export function remoteOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): { readonly remote?: string } {
  if (socket.remoteAddress === undefined || socket.remotePort === undefined) return {};
  const host = socket.remoteAddress.includes(":") ? `[${socket.remoteAddress}]` : socket.remoteAddress;
  return { remote: `${host}:${socket.remotePort}` };
}
