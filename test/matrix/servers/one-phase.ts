import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Retirement } from "./pod-server.ts";
import { maxAgeMs, readinessDelayMs } from "./times.ts";

/** A pod that is not done so long after its server was closed is done all the same. */
const hardLimitMs = 5_000;

/** How often an old connection of HTTP/1.1 is found busy, or closed. */
const idlenessCheckMs = 10;

type Note = Retirement["note"];

/** What node offers. */
export function retireInOnePhase(server: HttpServer | Http2Server | Http2SecureServer, retirement: Retirement): void {
  const { event, note } = retirement;
  if (event === "max-age") {
    if ("updateSettings" in server) closeSessionsAtAge(server, note);
    else closeSocketsAtAge(server, note);
  }
  closeAtSigterm(retirement, (closed) => server.close(closed));
}

/** Ends the process when `close` has called back. */
export function closeAtSigterm({ note }: Retirement, close: (closed: () => void) => void): void {
  process.once("SIGTERM", async () => {
    await sleep(readinessDelayMs);
    note("retired");
    setTimeout(() => process.exit(), hardLimitMs);
    close(() => process.exit());
  });
}

function closeSessionsAtAge(server: Http2Server | Http2SecureServer, note: Note): void {
  server.on("session", (session: ServerHttp2Session) => {
    const timer = setTimeout(() => {
      note("retired");
      session.close();
    }, ageMs());
    session.on("close", () => clearTimeout(timer));
  });
}

/** As `server.closeIdleConnections()`, again and again, of those that are old enough. */
function closeSocketsAtAge(server: HttpServer, note: Note): void {
  const busy = new WeakSet<Socket>();
  server.on("connection", (socket: Socket) => {
    let timer = setTimeout(function end() {
      if (busy.has(socket)) {
        timer = setTimeout(end, idlenessCheckMs);
        return;
      }
      note("retired");
      socket.end();
    }, ageMs());
    socket.on("close", () => clearTimeout(timer));
  });
  server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    busy.add(socket);
    response.on("close", () => busy.delete(socket));
  });
}

/** ±10 %, as lifecycles have it. */
function ageMs(): number {
  return maxAgeMs * (0.9 + 0.2 * Math.random());
}
