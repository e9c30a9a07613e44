import { once } from "node:events";
import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import {
  type Connection,
  type ConnectionEnd,
  createEndpoint,
  type Endpoint,
  type Goaway,
  type HeaderList,
  parseTarget,
  type RequestHead,
  type Stream,
  type StreamEnd,
} from "@evenkeel/core";
import { onTestFinished } from "vitest";
import { createHttp1Connector, type Http1ConnectorOptions } from "../src/http1/connector.ts";

export interface Dialled {
  readonly connection: Connection;
  readonly ready: Promise<void>;
  readonly closed: Promise<ConnectionEnd>;
  readonly goaways: Goaway[];
  /** Everything that the owner was told, in its order. */
  readonly told: string[];
}

export interface DialledTo {
  readonly host?: string;
  readonly addresses?: Endpoint["addresses"];
  readonly target?: string;
}

/** Dials `127.0.0.1` for the target `http://orders.test`, unless it is told otherwise. */
export function dialPort(port: number, options: Partial<Http1ConnectorOptions> = {}, to: DialledTo = {}): Dialled {
  const { host = "127.0.0.1", addresses = [{ host, port }], target = `http://orders.test:${port}` } = to;
  const connector = createHttp1Connector({ target: parseTarget(target), ...options });
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<ConnectionEnd>();
  const goaways: Goaway[] = [];
  const told: string[] = [];
  const connection = connector.connect(
    { ...createEndpoint({ host, port, podName: "pod-1" }), addresses },
    {
      ready() {
        told.push("ready");
        ready.resolve();
      },
      capacity: () => told.push("capacity"),
      suspicion: () => told.push("suspicion"),
      goaway(goaway) {
        told.push("goaway");
        goaways.push(goaway);
      },
      closed(end) {
        told.push("closed");
        closed.resolve(end);
      },
    },
  );
  onTestFinished(async () => {
    connection.destroy(new Error("the test is over"));
    await closed.promise;
  });
  return { connection, ready: ready.promise, closed: closed.promise, goaways, told };
}

export interface Request {
  readonly ended: Promise<StreamEnd>;
  /** Everything that it was told, in its order. */
  readonly seen: string[];
  readonly lists: { headers: HeaderList; trailers: HeaderList };
  readonly stream: Stream;
  /** Resolves when so much of the response was received. */
  body(): string;
}

/** Opens a stream and sends nothing but its head, with that of a POST. */
export function open(connection: Connection, head: Partial<RequestHead> = {}): Request {
  const ended = Promise.withResolvers<StreamEnd>();
  const seen: string[] = [];
  const lists: Request["lists"] = { headers: [], trailers: [] };
  const chunks: Uint8Array[] = [];
  let returned = false;
  const stream = connection.open(
    { method: "POST", path: "/s/m", headers: [], endStream: false, ...head },
    {
      headers(status, headers) {
        seen.push(`headers ${status}`);
        lists.headers = headers;
      },
      data(chunk) {
        if (seen.at(-1) !== "data") seen.push("data");
        chunks.push(chunk);
      },
      drained: () => seen.push("drained"),
      trailers(trailers) {
        seen.push("trailers");
        lists.trailers = trailers;
      },
      closed(end) {
        if (!returned) throw new Error("closed before open returned");
        seen.push("closed");
        ended.resolve(end);
      },
    },
  );
  returned = true;
  return { ended: ended.promise, seen, lists, stream, body: () => Buffer.concat(chunks).toString() };
}

/** Sends a request with a short body, and ends it. */
export function post(connection: Connection, head: Partial<RequestHead> = {}): Request {
  const request = open(connection, head);
  request.stream.end(Buffer.from("body"));
  return request;
}

/** Listens on a free port until the test is over. */
export async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

export interface Peer {
  readonly port: number;
  readonly server: HttpServer;
  /** The sockets that ever connected. */
  readonly sockets: Socket[];
}

/** A node:http server until the test is over. */
export async function startHttp(handler: RequestListener): Promise<Peer> {
  const server = createServer(handler);
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => sockets.push(socket));
  return { port: await listen(server), server, sockets };
}

/** A server that answers each head of a request, by its number on all sockets, with what `act` does. */
export async function startRaw(act: (socket: Socket, count: number, head: string) => void): Promise<number> {
  let count = 0;
  const server = createTcpServer((socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end === -1) return;
      const head = text.slice(0, end);
      text = "";
      count++;
      act(socket, count, head);
    });
  });
  return listen(server);
}
