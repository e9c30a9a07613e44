import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { ManageableServer } from "../src/intake/intake.ts";
import { cert, key } from "./certificate.ts";

export type Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

/** Makes a server that is not yet listening, h2c or TLS. */
export function createServer(
  secure: boolean,
  handler: Handler,
  options: http2.SecureServerOptions = {},
): http2.Http2Server | http2.Http2SecureServer {
  return secure ? http2.createSecureServer({ key, cert, ...options }, handler) : http2.createServer(options, handler);
}

/** Listens on a free port of 127.0.0.1. `atEnd` gets what cuts all connections and closes the server. */
export async function listen(server: ManageableServer, atEnd: (end: () => Promise<void>) => void): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}
