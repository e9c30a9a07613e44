import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { cert, key } from "../../server/test-helpers/certificate.ts";

/** A request that a scripted API server got, and has to answer. */
export interface ApiRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage["headers"];
  readonly socket: Socket;
  readonly response: ServerResponse;
  /** Answers with the object, status 200 unless another is given. */
  json(object: unknown, status?: number, headers?: Record<string, string>): void;
  /** Sends headers of a watch, which goes on with `line()`. */
  open(): void;
  line(object: unknown): void;
}

/** A server on 127.0.0.1, until the test ends, that answers as the test says. */
export class HttpApi {
  readonly requests: ApiRequest[] = [];
  readonly url: string;
  /** Sockets that were ever accepted. */
  sockets: number;
  onRequest: (request: ApiRequest) => void = () => {};
  #next = Promise.withResolvers<void>();

  constructor(url: string) {
    this.url = url;
    this.sockets = 0;
  }

  /** Resolves with the next request. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  /** Resolves to the request of this number, counted from 1, once it is there. */
  async request(count: number): Promise<ApiRequest> {
    while (this.requests.length < count) await this.next;
    return this.requests[count - 1]!;
  }

  take(message: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(message.url ?? "", this.url);
    const request: ApiRequest = {
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: message.headers,
      socket: message.socket,
      response,
      json(object, status = 200, headers = {}) {
        response.writeHead(status, { "content-type": "application/json", ...headers });
        response.end(`${JSON.stringify(object)}\n`);
      },
      open() {
        response.writeHead(200, { "content-type": "application/json" });
        response.flushHeaders();
      },
      line: (object) => void response.write(`${JSON.stringify(object)}\n`),
    };
    this.requests.push(request);
    this.onRequest(request);
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}

/** Resolves when the socket has closed, in whatever order. */
export function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

export interface HttpApiOptions {
  /** Whether it speaks TLS, as 127.0.0.1 and localhost, by a certificate of its own. */
  readonly isSecure?: boolean;
  /** Below which path it is. */
  readonly prefix?: string;
}

export async function startHttpApi({ isSecure = false, prefix = "" }: HttpApiOptions = {}): Promise<HttpApi> {
  const server = isSecure ? createHttpsServer({ key, cert }) : createHttpServer();
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    api.sockets++;
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const api = new HttpApi(`${isSecure ? "https" : "http"}://127.0.0.1:${port}${prefix}`);
  server.on("request", (message, response) => api.take(message, response));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  return api;
}
