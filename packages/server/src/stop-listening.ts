import { Server as HttpServer } from "node:http";
import { Server as HttpsServer } from "node:https";
import { Server as TcpServer } from "node:net";
import type { ManageableServer } from "./intake/intake.ts";

/** Ends listening, now or as soon as it begins, and leaves the connections alone. */
export function stopListening(server: ManageableServer): void {
  const stop = (): void => {
    if (server instanceof HttpServer || server instanceof HttpsServer) closeHttp1(server);
    else TcpServer.prototype.close.call(server); // its own close() also closes sessions, with a single GOAWAY
  };
  if (server.listening) stop();
  server.on("listening", stop); // the shutdown may come while the program starts
}

/** Its `close()` also stops the timer that looks for slow requests, and closes connections that are idle. */
function closeHttp1(server: HttpServer | HttpsServer): void {
  const { closeIdleConnections } = server;
  server.closeIdleConnections = () => {};
  try {
    server.close();
  } finally {
    server.closeIdleConnections = closeIdleConnections;
  }
}
