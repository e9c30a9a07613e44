import type { Http2SecureServer, SecureServerOptions, ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { createGatedSocket } from "../src/wire/gated-wire.ts";
import type { Wire } from "../src/wire/wire.ts";
import { createServer, type Handler } from "./servers.ts";

/** A connection of a gated server. */
export interface Gated {
  readonly session: ServerHttp2Session;
  /** The real one, below the stand-in. */
  readonly socket: TLSSocket;
  readonly wire: Wire;
}

/** Makes a TLS server, not yet listening, whose connections are gated and nothing else. */
export function createGatedServer(
  handler: Handler,
  onGated: (gated: Gated) => void,
  options: SecureServerOptions = {},
): Http2SecureServer {
  const server = createServer(true, handler, options) as Http2SecureServer;
  const emit = server.emit;
  server.emit = function (this: Http2SecureServer, name: string | symbol, ...args: unknown[]): boolean {
    if (name !== "secureConnection") return Reflect.apply(emit, this, [name, ...args]);
    const socket = args[0] as TLSSocket;
    const gated = createGatedSocket(socket);
    this.prependOnceListener("session", (session: ServerHttp2Session) => {
      gated.expose(session);
      onGated({ session, socket, wire: gated.wire });
    });
    return Reflect.apply(emit, this, [name, gated.stream]);
  };
  return server;
}
