import type { Duplex } from "node:stream";
import {
  type Connection,
  type ConnectionEnd,
  createEndpoint,
  type HeaderList,
  parseTarget,
  type RequestHead,
  type Stream,
  type StreamEnd,
  systemClock,
} from "@evenkeel/core";
import { ClientConnection, type ClientConnectionOptions } from "../src/client-connection.ts";
import { RequestEncoder } from "../src/request-encoder.ts";

export interface TestClient {
  readonly connection: ClientConnection;
  readonly ready: Promise<void>;
  readonly closed: Promise<ConnectionEnd>;
  /** What the listener was told, in its order: `ready`, `capacity`, `suspect`, `well`, `goaway 0 1`, `closed`. */
  readonly told: readonly string[];
}

export interface TestClientOptions extends Partial<ClientConnectionOptions> {
  readonly port?: number;
  readonly scheme?: "http" | "https";
  /** Instead of a port. */
  readonly socket?: Duplex;
  /** After it was noted. */
  readonly onTold?: (what: string, connection: Connection) => void;
}

/** A connection whose listener takes notes. */
export function startTestClient(options: TestClientOptions): TestClient {
  const { port = 1, scheme = "http", socket } = options;
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<ConnectionEnd>();
  const told: string[] = [];
  const tell = (what: string): void => {
    told.push(what);
    options.onTold?.(what, connection);
  };
  const target = parseTarget(`${scheme}://orders.test:${port}`);
  const connection: ClientConnection = new ClientConnection(
    createEndpoint({ host: "127.0.0.1", port, podName: "pod-1" }),
    {
      target,
      nodeOptions: () => (socket === undefined ? {} : { createConnection: () => socket }),
      clock: systemClock,
      label: "connection 1",
      encoder: new RequestEncoder(target),
      initialWindowSize: 65_536,
      connectionWindowSize: 2 ** 20,
      pingIntervalMs: Number.POSITIVE_INFINITY,
      pingIdleConnection: false,
      pingTimeoutMs: 15_000,
      ...options,
    },
    {
      ready() {
        tell("ready");
        ready.resolve();
      },
      capacity: () => tell("capacity"),
      suspicion: () => tell(connection.suspect ? "suspect" : "well"),
      goaway: ({ errorCode, lastStreamId }) => tell(`goaway ${errorCode} ${lastStreamId}`),
      closed(end) {
        tell("closed");
        closed.resolve(end);
      },
    },
  );
  return { connection, ready: ready.promise, closed: closed.promise, told };
}

export interface TestStream {
  readonly stream: Stream;
  readonly ended: Promise<StreamEnd>;
  /** What the listener was told, in its order: `headers 200`, `data`, `drained`, `trailers`, `closed`; data once. */
  readonly told: readonly string[];
  readonly headers: HeaderList;
  readonly trailers: HeaderList;
  readonly body: Buffer;
  readonly bodyBytes: number;
}

export interface TestStreamOptions extends Partial<RequestHead> {
  /** Written at once; the body ends with it. */
  readonly body?: string;
  /** After it was noted. */
  readonly onTold?: (what: string, stream: TestStream) => void;
}

/** A request whose listener takes notes. Without a body it stays open. */
export function openTestStream(connection: Connection, options: TestStreamOptions = {}): TestStream {
  const ended = Promise.withResolvers<StreamEnd>();
  const told: string[] = [];
  const chunks: Buffer[] = [];
  const seen = { headers: [] as HeaderList, trailers: [] as HeaderList, bodyBytes: 0 };
  const tell = (what: string): void => {
    if (what !== "data" || told.at(-1) !== "data") told.push(what);
    options.onTold?.(what, test);
  };
  const head = { method: "POST", path: "/s/m", headers: [], endStream: false, ...options };
  const stream = connection.open(head, {
    headers(status, headers) {
      seen.headers = headers;
      tell(`headers ${status}`);
    },
    data(chunk) {
      chunks.push(Buffer.from(chunk));
      seen.bodyBytes += chunk.length;
      tell("data");
    },
    drained: () => tell("drained"),
    suspected: () => tell("suspected"),
    trailers(trailers) {
      seen.trailers = trailers;
      tell("trailers");
    },
    closed(end) {
      tell("closed");
      ended.resolve(end);
    },
  });
  const test: TestStream = {
    stream,
    ended: ended.promise,
    told,
    get headers() {
      return seen.headers;
    },
    get trailers() {
      return seen.trailers;
    },
    get body() {
      return Buffer.concat(chunks);
    },
    get bodyBytes() {
      return seen.bodyBytes;
    },
  };
  if (options.body !== undefined) stream.end(Buffer.from(options.body));
  return test;
}
