import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { ConnectionSocket } from "../connection/connection.ts";
import { createDescriptorWire } from "../wire/descriptor-wire.ts";
import type { Intake } from "./intake.ts";
import { refuse } from "./refuse.ts";
import { wrapEmit } from "./wrap-emit.ts";

/**
 * A plain-text server of node:http2. node makes the session, and emits "session", while it emits the "connection" that
 * brings the socket: that is how the two are matched.
 */
export function fromHttp2Server(server: Http2Server, intake: Intake): void {
  let arriving: ConnectionSocket | undefined;
  server.prependListener("session", (session: ServerHttp2Session) => {
    if (arriving === undefined) return;
    const socket = arriving;
    arriving = undefined;
    intake.onHttp2("h2c", session, socket, createDescriptorWire(socket));
  });
  wrapEmit(server, {
    connection(emit, socket: ConnectionSocket) {
      if (!intake.admits(socket)) return refuse(socket);
      arriving = socket;
      try {
        return emit(socket);
      } finally {
        arriving = undefined;
      }
    },
  });
}
