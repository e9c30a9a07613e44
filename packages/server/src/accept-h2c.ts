import type { EventEmitter } from "node:events";
import { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import { Server as TcpServer } from "node:net";
import { Server as TlsServer } from "node:tls";
import { maxDelayMs } from "./clock.ts";
import type { ConnectionSocket } from "./connection/connection.ts";

/** What an HTTP/2 client sends first (RFC 9113, section 3.4). No request of HTTP/1.1 begins like it. */
const preface: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const accepting = new WeakSet<Http1Server>();

/**
 * Serves HTTP/1.1 and h2c on one port: connections to `http1Server` that begin with the preface of HTTP/2 (prior
 * knowledge, RFC 9113, section 3.3) are handed to `http2Server`. The server of HTTP/1.1 is the one that listens. A
 * lifecycle may manage both, before or after this call.
 *
 * A connection whose first bytes do not tell which it is within `http1Server.headersTimeout` (node's default: 60 s;
 * 0: no limit) is closed. What was handed over still counts as a connection of `http1Server` for its "close" event.
 *
 * @throws TypeError when they are not servers of `http.createServer()` and `http2.createServer()`, Error when
 * `http1Server` accepts h2c already.
 */
export function acceptH2c(http1Server: Http1Server, http2Server: Http2Server): void {
  assertServers(http1Server, http2Server);
  if (accepting.has(http1Server)) throw new Error("this server accepts h2c already: call acceptH2c() once for each");
  accepting.add(http1Server);

  const undecided = new Set<ConnectionSocket>();
  interceptConnections(http1Server, (socket, proceed) => {
    undecided.add(socket);
    const ends = (watchers.get(http1Server) ?? []).map((watch) => watch(socket));
    onFirstBytes(socket, http1Server.headersTimeout, (outcome) => {
      undecided.delete(socket);
      if (outcome === "h2c") {
        socket.allowHalfOpen = false; // as the sockets of a server of HTTP/2 are: the session does not end by itself
        http2Server.emit("connection", socket);
      }
      if (outcome === "http/1.1") proceed();
      for (const end of ends) end();
    });
  });
  const { closeAllConnections } = http1Server;
  http1Server.closeAllConnections = () => {
    for (const socket of undecided) socket.destroy();
    closeAllConnections.call(http1Server);
  };
}

/** Told of a connection when it arrives. @returns what to call when its protocol is known, or it is gone */
type WatchUndecided = (socket: ConnectionSocket) => () => void;

const watchers = new WeakMap<Http1Server, WatchUndecided[]>();

/**
 * For a lifecycle, which must not take the server for drained while a client that has connected is about to speak. The
 * connections of a server without `acceptH2c()` are never undecided.
 */
export function watchUndecided(http1Server: Http1Server, watch: WatchUndecided): void {
  watchers.set(http1Server, [...(watchers.get(http1Server) ?? []), watch]);
}

function assertServers(http1Server: unknown, http2Server: unknown): void {
  // a server of node:https is no http.Server
  if (!(http1Server instanceof Http1Server)) {
    throw new TypeError(
      `the first server must be one of http.createServer(), not ${nameOf(http1Server)}; over TLS the protocol is negotiated: use http2.createSecureServer() with allowHTTP1`,
    );
  }
  const isHttp2 = http2Server instanceof TcpServer && "updateSettings" in http2Server;
  if (!isHttp2 || http2Server instanceof TlsServer) {
    throw new TypeError(`the second server must be one of http2.createServer(), not ${nameOf(http2Server)}`);
  }
}

function nameOf(value: unknown): string {
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : typeof value;
}

/**
 * Withholds each new connection from all listeners, and from whatever wraps the server's `emit` before or after this
 * call, until `proceed` is called.
 */
function interceptConnections(
  server: Http1Server,
  intercept: (socket: ConnectionSocket, proceed: () => void) => void,
): void {
  type Emit = EventEmitter["emit"];
  const seen = new WeakSet<ConnectionSocket>();
  const intercepting = (emit: Emit): Emit =>
    function (this: EventEmitter, name: string | symbol, ...args: unknown[]): boolean {
      const socket = args[0] as ConnectionSocket;
      if (name !== "connection" || seen.has(socket)) return emit.call(this, name, ...args);
      seen.add(socket);
      intercept(socket, () => server.emit("connection", socket));
      return true;
    };
  // a wrapper that is set later gets this one to call, and is itself called by the one that takes this one's place
  let emit = intercepting(server.emit);
  Object.defineProperty(server, "emit", {
    configurable: true,
    enumerable: true,
    get: () => emit,
    set: (wrapper: Emit) => {
      emit = intercepting(wrapper);
    },
  });
}

/** Calls back once. The socket then is as it was: its bytes unread, without listeners of ours. */
function onFirstBytes(
  socket: ConnectionSocket,
  timeoutMs: number,
  callback: (outcome: "h2c" | "http/1.1" | "closed") => void,
): void {
  const chunks: Buffer[] = [];
  let matched = 0;
  const settle = (outcome: "h2c" | "http/1.1" | "closed"): void => {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("end", onEnd);
    socket.off("close", onClose);
    socket.off("error", ignore);
    if (chunks.length > 0 && outcome !== "closed") socket.unshift(Buffer.concat(chunks));
    callback(outcome);
  };
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return; // the end
    chunks.push(chunk);
    for (let at = 0; at < chunk.length && matched < preface.length; at++, matched++) {
      if (chunk[at] !== preface[matched]) {
        settle("http/1.1");
        return;
      }
    }
    if (matched === preface.length) settle("h2c");
  };
  const onEnd = (): void => {
    socket.destroy(); // less than a preface is no request either
  };
  const onClose = (): void => settle("closed");
  const ignore = (): void => {};
  const timer = timeoutMs > 0 ? setTimeout(() => socket.destroy(), Math.min(timeoutMs, maxDelayMs)).unref() : undefined;
  socket.on("readable", onReadable);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  socket.on("error", ignore);
}
