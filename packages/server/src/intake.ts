import type { EventEmitter } from "node:events";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import { type Socket, Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { type TLSSocket, Server as TlsServer } from "node:tls";
import { createDescriptorWire } from "./wire/descriptor-wire.ts";
import { createGatedSocket } from "./wire/gated-wire.ts";
import type { Wire } from "./wire/wire.ts";

/** A server that a lifecycle can manage. */
export type ManageableServer = Http2Server | Http2SecureServer;

/** Told of a server's connections as they come. */
export interface Intake {
  onHttp2(protocol: "h2" | "h2c", session: ServerHttp2Session, socket: Duplex, wire: Wire): void;
  onHttp1(socket: TLSSocket): void;
  /** @returns what to call when the handshake is done */
  onHandshake(socket: Socket): () => void;
}

/** @throws TypeError when it is not a server that `intakeFrom` supports. */
export function assertManageable(server: unknown): asserts server is ManageableServer {
  // node exports no class of its http2 servers; updateSettings is theirs alone among the servers of node
  if (server instanceof TcpServer && "updateSettings" in server && typeof server.updateSettings === "function") return;
  const name = typeof server === "object" && server !== null ? server.constructor?.name : typeof server;
  throw new TypeError(
    `cannot manage ${name}: supported are the servers of http2.createServer() and http2.createSecureServer() of node:http2`,
  );
}

/**
 * Reports the connections that the server accepts from now on. node makes the session, and emits "session", while it
 * emits the event that brings the socket: that is how the two are matched, and where a TLS socket is replaced by one
 * that can be injected into, for every listener alike.
 */
export function intakeFrom(server: ManageableServer, intake: Intake): void {
  if (server instanceof TlsServer) intakeFromTls(server as Http2SecureServer, intake);
  else intakeFromTcp(server as Http2Server, intake);
}

function intakeFromTcp(server: Http2Server, intake: Intake): void {
  let arriving: Duplex | undefined;
  server.prependListener("session", (session: ServerHttp2Session) => {
    if (arriving === undefined) return;
    const socket = arriving;
    arriving = undefined;
    intake.onHttp2("h2c", session, socket, createDescriptorWire(socket));
  });
  wrapEmit(server, "connection", (socket: Duplex, emit) => {
    arriving = socket;
    try {
      return emit(socket);
    } finally {
      arriving = undefined;
    }
  });
}

function intakeFromTls(server: Http2SecureServer, intake: Intake): void {
  const handshakes = createHandshakes(intake);
  server.on("connection", (socket: Socket) => handshakes.begin(socket));
  let arriving: ((session: ServerHttp2Session) => void) | undefined;
  server.prependListener("session", (session: ServerHttp2Session) => {
    const arrive = arriving;
    arriving = undefined;
    arrive?.(session);
  });
  wrapEmit(server, "secureConnection", (socket: TLSSocket, emit) => {
    // as node tells them apart
    if (socket.alpnProtocol === false || socket.alpnProtocol === "http/1.1") {
      intake.onHttp1(socket);
      handshakes.end(socket);
      return emit(socket);
    }
    const gated = createGatedSocket(socket);
    arriving = (session) => {
      gated.expose(session);
      intake.onHttp2("h2", session, socket, gated.wire);
    };
    try {
      return emit(gated.stream);
    } finally {
      arriving = undefined;
      handshakes.end(socket);
    }
  });
}

/** Matches TCP sockets with the TLS sockets made of them: node shows no link but their equal addresses. */
function createHandshakes(intake: Intake): { begin(socket: Socket): void; end(socket: Socket): void } {
  const ends = new Map<string, () => void>();
  const keyOf = (socket: Socket): string =>
    [socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort].join();
  return {
    begin(socket) {
      if (socket.remotePort === undefined) return; // a UNIX socket, or gone again
      const key = keyOf(socket);
      const end = intake.onHandshake(socket);
      ends.set(key, end);
      socket.once("close", () => {
        if (ends.get(key) === end) ends.delete(key);
      });
    },
    end(socket) {
      const key = keyOf(socket);
      ends.get(key)?.();
      ends.delete(key);
    },
  };
}

/** Puts `around` between the emission of an event with one argument and its listeners, present and future. */
function wrapEmit<T>(
  server: ManageableServer,
  event: string,
  around: (argument: T, emit: (argument: T) => boolean) => boolean,
): void {
  const emitter: EventEmitter = server;
  const emit = emitter.emit;
  emitter.emit = function (this: EventEmitter, name: string | symbol, ...args: unknown[]): boolean {
    if (name !== event) return emit.call(this, name, ...args);
    return around(args[0] as T, (argument) => emit.call(this, name, argument));
  };
}
