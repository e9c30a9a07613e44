import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { createGatedSocket } from "../wire/gated-wire.ts";
import { createHandshakes } from "./handshakes.ts";
import { http1Requests } from "./http-intake.ts";
import type { Intake } from "./intake.ts";
import { refuse } from "./refuse.ts";
import { wrapEmit } from "./wrap-emit.ts";

/**
 * A TLS server of node:https or node:http2. node makes the HTTP/2 session, and emits "session", while it emits the
 * "secureConnection" that brings the socket: that is how the two are matched, and where the socket is replaced by one
 * that can be injected into, for every listener alike.
 */
export function fromTlsServer(server: HttpsServer | Http2SecureServer, intake: Intake): void {
  const handshakes = createHandshakes(intake);
  let arriving: ((session: ServerHttp2Session) => void) | undefined;
  server.prependListener("session", (session: ServerHttp2Session) => {
    const arrive = arriving;
    arriving = undefined;
    arrive?.(session);
  });
  wrapEmit(server, {
    connection(emit, socket: Socket) {
      if (!intake.admits(socket)) return refuse(socket);
      handshakes.begin(socket);
      return emit(socket);
    },
    secureConnection(emit, socket: TLSSocket) {
      if (isHttp1(server, socket)) {
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
    },
    ...http1Requests(intake),
  });
}

/** As node tells them apart. */
function isHttp1(server: HttpsServer | Http2SecureServer, socket: TLSSocket): boolean {
  return !("updateSettings" in server) || socket.alpnProtocol === false || socket.alpnProtocol === "http/1.1";
}
