import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { cert } from "../../server/test-helpers/certificate.ts";
import { ApiClient, type FollowListener } from "../src/api/api-client.ts";
import type { ApiServer } from "../src/api/api-server.ts";
import { type ApiServerAtOptions, apiServerAt } from "../src/api/api-server-at.ts";
import { type HttpApi, type HttpApiOptions, startHttpApi } from "./api-server.ts";

export function clientOf(server: ApiServer): ApiClient {
  const client = new ApiClient(server);
  onTestFinished(() => client.close());
  return client;
}

export function clientAt(url: string, options: ApiServerAtOptions = {}): ApiClient {
  return clientOf(apiServerAt(url, options));
}

export async function start(options: HttpApiOptions = {}): Promise<{ api: HttpApi; client: ApiClient }> {
  const api = await startHttpApi(options);
  return { api, client: clientAt(api.url, { ca: cert }) };
}

export const never = new AbortController().signal;

/** What a request ends with, which has to be an error. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.unreachable("it was answered"),
    (error: Error) => error,
  );
}

/** Follows `/watch`, and collects what comes, one list for each time that something comes. */
export function follow(client: ApiClient, signal: AbortSignal = never) {
  const batches: (readonly unknown[])[] = [];
  const opened = Promise.withResolvers<void>();
  let heard = Promise.withResolvers<void>();
  const listener: FollowListener = {
    opened: opened.resolve,
    objects(objects) {
      batches.push(objects);
      heard.resolve();
      heard = Promise.withResolvers();
    },
  };
  const ended = client.follow("/watch", listener, signal);
  ended.catch(() => {});
  return { batches, opened: opened.promise, ended, next: () => heard.promise };
}

/** A server on 127.0.0.1 that answers with these bytes, whatever it is asked, and then does as it is told. */
export async function startRaw(answer: string, then: (socket: Socket) => void = () => {}): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.once("data", () => socket.write(answer, () => then(socket)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : expect.unreachable();
}
