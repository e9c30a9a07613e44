import type { ServerHttp2Session } from "node:http2";
import { TLSSocket } from "node:tls";
import type { AnyHttp2Server } from "./listen-watch.ts";

/**
 * Lets the sockets of TLS sessions pass for what they stand for. A lifecycle puts a stand-in between a session and its
 * TLS socket, which shows all of its properties but is no `TLSSocket`; grpc-js's `call.getAuthContext()` asks whether
 * it is one, and knows no certificate of the client otherwise.
 */
export function showTlsSockets(server: AnyHttp2Server): void {
  server.on("session", (session: ServerHttp2Session) => {
    if (session.encrypted !== true || session.socket instanceof TLSSocket) return;
    const socket = new Proxy(session.socket, { getPrototypeOf: () => TLSSocket.prototype });
    // as node has it: none once the session is destroyed, where the stand-in's properties throw
    const own = (): unknown => Reflect.get(Object.getPrototypeOf(session), "socket", session);
    const get = (): unknown => (own() === undefined ? undefined : socket);
    Object.defineProperty(session, "socket", { configurable: true, get });
  });
}
