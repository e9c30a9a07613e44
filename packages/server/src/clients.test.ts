import { once } from "node:events";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { noticeLastStream, until } from "../test-helpers/raw-client.ts";
import { createServer, listen } from "../test-helpers/servers.ts";
import { guardStockClients } from "../test-helpers/stock-client.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleOptions } from "./options.ts";
import { createLifecycle } from "./server-lifecycle.ts";

interface Demo {
  readonly lifecycle: Lifecycle;
  readonly url: string;
  readonly client: Client<typeof DemoService>;
  /** Connections that the server has seen. */
  connections(): number;
}

/** A server as the README shows it, and a stock connect-node client of it. */
async function setUp(secure: boolean, options: LifecycleOptions = {}): Promise<Demo> {
  const lifecycle = createLifecycle({ podName: "pod-1", ...options });
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(DemoService, {
        async charge({ work, payload }) {
          if (work?.delayMs) await sleep(work.delayMs);
          return { pod: "pod-1", payload };
        },
        async *count({ work, to }, { signal }) {
          for (let number = 1; number <= to && !signal.aborted; number++) {
            if (work?.delayMs) await sleep(work.delayMs);
            yield { pod: "pod-1", number };
          }
        },
      }),
    interceptors: [lifecycle.interceptor],
  });
  const server = createServer(secure, handler);
  lifecycle.manage(server);
  let connections = 0;
  server.on("session", () => {
    connections++;
  });
  const url = `${secure ? "https" : "http"}://127.0.0.1:${await listen(server, onTestFinished)}`;
  const nodeOptions = { rejectUnauthorized: false };
  onTestFinished(guardStockClients());
  const sessionManager = new Http2SessionManager(url, {}, nodeOptions);
  onTestFinished(() => sessionManager.abort());
  const client = createClient(DemoService, createGrpcTransport({ baseUrl: url, nodeOptions, sessionManager }));
  return { lifecycle, url, client, connections: () => connections };
}

const payloadOf = (number: number): Uint8Array => Buffer.alloc(100 + (number % 5_000), `${number},`);

describe.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("stock clients over $name", ({ secure }) => {
  test("connect-node loses nothing before, in and after a retirement", async () => {
    const { lifecycle, client, connections } = await setUp(secure);
    for (let round = 0; round < 10; round++) {
      const before = connections();
      await client.charge({});
      const during = client.charge({ work: { delayMs: 10 } });
      if (round % 2 === 0) await sleep(5);
      lifecycle.retireConnections();
      expect((await during).pod).toBe("pod-1");
      for (let after = 0; after < 5; after++) expect((await client.charge({})).pod).toBe("pod-1");
      expect(connections()).toBeGreaterThan(before);
    }
    await until("all but one connection are gone", () => lifecycle.snapshot().connections.length <= 1);
  });

  test("a stream outlives the retirement of its connection", async () => {
    const { lifecycle, client } = await setUp(secure);
    const numbers: number[] = [];
    for await (const { number } of client.count({ to: 10, work: { delayMs: 10 } })) {
      numbers.push(number);
      if (number === 3) lifecycle.retireConnections();
      if (number === 8) expect(lifecycle.snapshot()).toMatchObject({ rpcsInFlight: 1, connections: [{}] });
    }
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
  });

  test("connect-node under load with a maximum age of 50 ms gets no wrong byte", async () => {
    const { client, connections } = await setUp(secure, { maxConnectionAgeMs: 50 });
    const failures: ConnectError[] = [];
    let answered = 0;
    const call = async (worker: number): Promise<void> => {
      for (let number = worker; answered < 1_000 || connections() < 8; number += 16) {
        const payload = payloadOf(number);
        try {
          const response = await client.charge({ payload });
          expect(Buffer.compare(response.payload, payload)).toBe(0);
          answered++;
        } catch (error) {
          failures.push(ConnectError.from(error));
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, worker) => call(worker)));
    // what this client refuses in its own queue when it reads a GOAWAY; a frame out of place would show otherwise
    const own = (error: ConnectError): boolean =>
      error.message.includes("NGHTTP2_REFUSED_STREAM") ||
      [Code.Unavailable, Code.Canceled, Code.Aborted].includes(error.code);
    expect(failures.filter((error) => !own(error))).toEqual([]);
  }, 20_000);

  test("node:http2 that moves on at GOAWAY loses nothing it sent, with a maximum age of 50 ms", async () => {
    const bodies = new Map<string, Buffer>();
    const bodyOf = (path: string): Buffer => {
      const known = bodies.get(path) ?? Buffer.alloc(Number(path.slice(1)), path);
      bodies.set(path, known);
      return known;
    };
    const server = createServer(secure, (request, response) => response.end(bodyOf(request.url)));
    const lifecycle = createLifecycle({ maxConnectionAgeMs: 50 });
    lifecycle.manage(server);
    const port = await listen(server, onTestFinished);
    const sessions = new Set<http2.ClientHttp2Session>();
    const toldFinally = new WeakSet<http2.ClientHttp2Session>();
    let current: http2.ClientHttp2Session | undefined;
    let dialled = 0;
    const connect = (): http2.ClientHttp2Session => {
      dialled++;
      const session = http2.connect(`${secure ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
      const leave = (): void => {
        if (current === session) current = undefined;
      };
      sessions.add(session);
      session.on("goaway", (_code, last) => {
        leave();
        if (last !== noticeLastStream) toldFinally.add(session);
      });
      session.on("close", () => {
        leave();
        sessions.delete(session);
      });
      session.on("error", leave);
      return session;
    };
    onTestFinished(async () => {
      for (const session of sessions) session.destroy();
      await until("the client's sessions are gone", () => sessions.size === 0);
    });
    const get = (path: string): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        current ??= connect();
        const session = current;
        const stream = session.request({ ":path": path });
        const chunks: Buffer[] = [];
        stream.on("data", (chunk) => chunks.push(chunk));
        stream.on("error", (error) => {
          // refused before the final GOAWAY: by node's own client, which had not sent it yet when it read the notice
          const unsent = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM && !toldFinally.has(session);
          if (unsent) get(path).then(resolve, reject);
          else reject(error);
        });
        stream.on("close", () => {
          if (stream.rstCode === 0) resolve(Buffer.concat(chunks));
        });
      });
    current = connect();
    await once(current, "connect");

    const wrong: unknown[] = [];
    let answered = 0;
    const work = async (worker: number): Promise<void> => {
      for (let number = worker; wrong.length === 0 && (answered < 1_000 || dialled < 8); number += 8) {
        const path = `/${(number * 7_919) % 60_000}`;
        // a session that is still connecting holds requests back: those are the client's own to lose
        if (current === undefined) current = connect();
        if (current.connecting) await once(current, "connect").catch(() => {});
        await get(path).then(
          (body) => (body.equals(bodyOf(path)) ? answered++ : wrong.push(`${path}: ${body.length}`)),
          (error) => wrong.push(error),
        );
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, worker) => work(worker)));
    expect(wrong).toEqual([]);
  }, 20_000);
});
