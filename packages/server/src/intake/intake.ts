import { Server as HttpServer, type ServerResponse } from "node:http";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import { Server as HttpsServer } from "node:https";
import { Server as TcpServer } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { ConnectionSocket } from "../connection/connection.ts";
import type { Wire } from "../wire/wire.ts";
import { fromHttpServer } from "./http-intake.ts";
import { fromHttp2Server } from "./http2-intake.ts";
import { fromTlsServer } from "./tls-intake.ts";

/** A server that a lifecycle can manage. */
export type ManageableServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer;

/** Told of a server's connections and HTTP/1.1 requests as they come. */
export interface Intake {
  /** Whether a new connection may stay. */
  admits(socket: ConnectionSocket): boolean;
  /** Its protocol is not settled. @returns what to call when it is, behind the report of the connection that it is */
  onHandshake(protocol: "tcp" | "tls", socket: ConnectionSocket): () => void;
  onHttp2(protocol: "h2" | "h2c", session: ServerHttp2Session, socket: ConnectionSocket, wire: Wire): void;
  onHttp1(socket: ConnectionSocket): void;
  onHttp1Request(socket: ConnectionSocket, response: ServerResponse): void;
  /** The socket is the program's from now on. */
  onHttp1Upgrade(socket: ConnectionSocket): void;
}

/** @throws TypeError when it is not a server that `intakeFrom` supports. */
export function assertManageable(server: unknown): asserts server is ManageableServer {
  if (server instanceof HttpServer || server instanceof HttpsServer || isHttp2Server(server)) return;
  const name = typeof server === "object" && server !== null ? server.constructor?.name : typeof server;
  throw new TypeError(
    `cannot manage ${name}: supported are the servers of node:http, node:https and node:http2, as createServer() and createSecureServer() make them`,
  );
}

/** Reports the connections that the server accepts from now on. */
export function intakeFrom(server: ManageableServer, intake: Intake): void {
  if (server instanceof TlsServer) fromTlsServer(server as HttpsServer | Http2SecureServer, intake);
  else if (isHttp2Server(server)) fromHttp2Server(server as Http2Server, intake);
  else fromHttpServer(server as HttpServer, intake);
}

/** node exports no class of its http2 servers; updateSettings is theirs alone among the servers of node. */
export function isHttp2Server(server: unknown): server is Http2Server | Http2SecureServer {
  return server instanceof TcpServer && "updateSettings" in server && typeof server.updateSettings === "function";
}
