import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { watchUndecided } from "../accept-h2c.ts";
import type { ConnectionSocket } from "../connection/connection.ts";
import type { Intake } from "./intake.ts";
import { refuse } from "./refuse.ts";
import { type Arounds, type Emit, wrapEmit } from "./wrap-emit.ts";

/** A plain-text server of node:http. */
export function fromHttpServer(server: Server, intake: Intake): void {
  watchUndecided(server, (socket: ConnectionSocket) => {
    if (intake.admits(socket)) return intake.onHandshake("tcp", socket);
    refuse(socket);
    return () => {};
  });
  wrapEmit(server, {
    connection(emit, socket: ConnectionSocket) {
      if (!intake.admits(socket)) return refuse(socket);
      intake.onHttp1(socket);
      return emit(socket);
    },
    ...http1Requests(intake),
  });
}

/** Requests of HTTP/1.1; those of HTTP/2, which the same server may have, pass. */
export function http1Requests(intake: Intake): Arounds {
  const request = (emit: Emit, message: IncomingMessage, response: ServerResponse): boolean => {
    if (message.httpVersionMajor === 1) intake.onHttp1Request(message.socket, response);
    return emit(message, response);
  };
  const upgrade = (emit: Emit, message: IncomingMessage, socket: ConnectionSocket, head: Buffer): boolean => {
    if (message.httpVersionMajor === 1) intake.onHttp1Upgrade(socket);
    return emit(message, socket, head);
  };
  return { request, checkContinue: request, checkExpectation: request, upgrade, connect: upgrade };
}
