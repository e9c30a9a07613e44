import { once } from "node:events";
import http2 from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { FakeClock } from "@evenkeel/testing";
import fastify from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import {
  connectRawTo,
  createApp,
  createManagedApp,
  inOrder,
  type Kind,
  listenApp,
  record,
} from "../test-helpers/fastify-app.ts";
import { goawaysOf } from "../test-helpers/goaways.ts";
import { keepAliveAgent, request } from "../test-helpers/http1-client.ts";
import { noticeLastStream, until } from "../test-helpers/raw-client.ts";
import { guardStockClients } from "../test-helpers/stock-client.ts";
import { lifecyclePlugin } from "./fastify.ts";
import { createLifecycle } from "./server-lifecycle.ts";

const isSecure = (kind: Kind): boolean => kind !== "http" && kind !== "h2c";
const urlOf = (kind: Kind, port: number): string => `${isSecure(kind) ? "https" : "http"}://127.0.0.1:${port}`;

/** Asks on one connection, for as long as it is kept. */
function keepAlive(kind: Kind, port: number) {
  const agent = keepAliveAgent(onTestFinished, 1, isSecure(kind));
  return async (path = "/") => {
    const { status, headers, body } = await request(`${urlOf(kind, port)}${path}`, { agent });
    return { status, connection: headers.connection, body };
  };
}

function rpcClient(kind: Kind, port: number, protocol: "connect" | "grpc") {
  const baseUrl = urlOf(kind, port);
  const nodeOptions = { rejectUnauthorized: false };
  if (kind === "http" || kind === "https") {
    const agent = keepAliveAgent(onTestFinished, 1, isSecure(kind));
    const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ...nodeOptions, agent } });
    return createClient(DemoService, transport);
  }
  onTestFinished(guardStockClients());
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  onTestFinished(() => sessionManager.abort());
  const transport =
    protocol === "grpc"
      ? createGrpcTransport({ baseUrl, nodeOptions, sessionManager })
      : createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions, sessionManager });
  return createClient(DemoService, transport);
}

describe.each<{ kind: Kind; protocol: string }>([
  { kind: "http", protocol: "http/1.1" },
  { kind: "https", protocol: "http/1.1" },
  { kind: "h2c", protocol: "h2c" },
  { kind: "h2", protocol: "h2" },
  { kind: "h2 or https", protocol: "h2" },
])("Fastify over $kind", ({ kind, protocol }) => {
  test("serves RPCs and has its connections managed", async () => {
    const { app } = await createManagedApp(kind, { lifecycle: { podName: "pod-7", readinessDelayMs: 0 } });
    const port = await listenApp(app, onTestFinished);
    for (const client of [rpcClient(kind, port, "connect"), rpcClient(kind, port, "grpc")]) {
      let pod: string | null = null;
      const response = await client.charge({}, { onHeader: (header) => (pod = header.get("x-evenkeel-pod")) });
      expect([response.pod, pod]).toEqual(["pod-1", "pod-7"]);
      const numbers: number[] = [];
      for await (const { number } of client.count({ to: 3 })) numbers.push(number);
      expect(numbers).toEqual([1, 2, 3]);
    }
    const protocols = app.lifecycle.snapshot().connections.map((connection) => connection.protocol);
    expect(new Set(protocols)).toEqual(new Set([protocol]));
  });

  test("close() drains first: nothing under load is lost or gets a 503", async () => {
    const { app } = await createManagedApp(kind, { lifecycle: { readinessDelayMs: 20 } });
    const log = record(app);
    const port = await listenApp(app, onTestFinished);
    const outcomes: unknown[] = [];
    const load =
      kind === "http" || kind === "https" ? http1Load(kind, port, outcomes) : http2Load(kind, port, outcomes);
    const connections = kind === "http" || kind === "https" ? 8 : 1;
    await until("all connections", () => app.lifecycle.snapshot().connections.length === connections);
    await until("some answers", () => outcomes.length > 20);
    const closed = app.close();
    await until("the drain", () => app.lifecycle.draining.aborted);
    await load;
    await closed;
    expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([]);
    expect(log).toEqual(inOrder);
  });

  test("close() waits for the requests in flight", async () => {
    const { app, answer, waiting } = await createManagedApp(kind, { lifecycle: { readinessDelayMs: 0 } });
    const log = record(app);
    const port = await listenApp(app, onTestFinished);
    const secure = isSecure(kind);
    if (kind === "http" || kind === "https") {
      const waited = keepAlive(kind, port)("/wait");
      await until("the request", () => waiting() === 1);
      const closed = app.close();
      await until("the drain", () => app.lifecycle.draining.aborted);
      answer();
      expect(await waited).toEqual({ status: 200, connection: "close", body: "waited" });
      await closed;
    } else {
      const client = await connectRawTo(port, secure, onTestFinished);
      client.autoAck = false;
      const waited = client.request("/wait");
      await until("the request", () => waiting() === 1);
      const closed = app.close();
      await until("the PING", () => client.pings().length === 1);
      const late = client.request("/");
      await until("the late answer", () => client.isComplete(late));
      expect(client.dataOf(late).toString()).toBe("done");
      client.ack(client.pings()[0]!);
      answer();
      await closed;
      expect(client.dataOf(waited).toString()).toBe("waited");
      expect(goawaysOf(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${late}`]);
      expect(client.of("RST_STREAM").concat(client.of("other"))).toEqual([]);
    }
    expect(log).toEqual(inOrder);
  });

  test("connections are retired at their maximum age", async () => {
    const { app } = await createManagedApp(kind, { lifecycle: { maxConnectionAgeMs: 20, readinessDelayMs: 0 } });
    const port = await listenApp(app, onTestFinished);
    const secure = isSecure(kind);
    if (kind === "http" || kind === "https") {
      const get = keepAlive(kind, port);
      expect((await get()).connection).toBe("keep-alive");
      await until("the retirement", () => app.lifecycle.snapshot().connections[0]?.state === "retiring");
      expect(await get()).toEqual({ status: 200, connection: "close", body: "done" });
    } else {
      const client = await connectRawTo(port, secure, onTestFinished);
      await until("FIN", () => client.ended);
      expect(goawaysOf(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", "GOAWAY 0"]);
    }
  });
});

test("HTTP/1.1 beside HTTP/2 on one TLS server is told to leave too", async () => {
  const { app } = await createManagedApp("h2 or https", { lifecycle: { readinessDelayMs: 0 } });
  const port = await listenApp(app, onTestFinished);
  const get = keepAlive("h2 or https", port);
  expect(await get()).toEqual({ status: 200, connection: "keep-alive", body: "done" });
  const raw = await connectRawTo(port, true, onTestFinished);
  app.lifecycle.retireConnections();
  expect(await get()).toEqual({ status: 200, connection: "close", body: "done" });
  await until("FIN", () => raw.ended);
  await app.close();
});

/** Workers with a connection each ask until they are told that it ends. */
async function http1Load(kind: Kind, port: number, outcomes: unknown[]): Promise<void> {
  const work = async (): Promise<void> => {
    const get = keepAlive(kind, port);
    for (let open = true; open; ) {
      const answer = await get().catch((error: unknown) => ({ status: error, connection: "close" }));
      outcomes.push(answer.status);
      open = answer.connection !== "close";
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

/** Workers on one connection ask until it announces its end. */
async function http2Load(kind: Kind, port: number, outcomes: unknown[]): Promise<void> {
  const session = http2.connect(urlOf(kind, port), { rejectUnauthorized: false });
  let told = false;
  session.on("goaway", () => {
    told = true;
  });
  await once(session, "connect");
  const ask = (): Promise<unknown> =>
    new Promise((resolve) => {
      const stream = session.request({ ":path": "/" });
      let status: unknown;
      stream.on("response", (headers) => {
        status = headers[":status"];
      });
      // node's own client refuses what it had not sent when it read the notice: that never left it
      stream.on("error", (error) => {
        const unsent = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM && told;
        resolve(unsent ? 200 : error);
      });
      stream.on("close", () => resolve(status));
      stream.resume();
    });
  const work = async (): Promise<void> => {
    while (!told) outcomes.push(await ask());
  };
  await Promise.all(Array.from({ length: 8 }, work));
  session.close();
  if (!session.destroyed) await once(session, "close");
}

describe("probes", () => {
  test("have routes of their own, through the drain", async () => {
    const clock = new FakeClock();
    let isReady = false;
    const probes = { livePath: "/health/live", isReady: () => isReady };
    const { app } = await createManagedApp("http", { probes, lifecycle: { clock } });
    const get = keepAlive("http", await listenApp(app, onTestFinished));
    expect(await get("/readyz")).toMatchObject({ status: 503, body: '{"ready":false,"phase":"serving"}' });
    isReady = true;
    expect(await get("/readyz?x")).toMatchObject({ status: 200, body: '{"ready":true,"phase":"serving"}' });
    expect((await get("/livez")).status).toBe(404);
    const closed = app.close();
    expect(await get("/readyz")).toMatchObject({ status: 503, body: '{"ready":false,"phase":"notReady"}' });
    expect(await get("/health/live")).toMatchObject({ status: 200, body: '{"live":true,"phase":"notReady"}' });
    await clock.advance(5_000);
    await until("the drain", () => app.lifecycle.phase === "draining");
    expect(await get("/health/live")).toMatchObject({
      ...{ status: 200, connection: "close", body: '{"live":true,"phase":"draining"}' },
    });
    await closed;
  });

  test("answer HEAD, must not be cached, and are JSON", async () => {
    const { app } = await createManagedApp("http", { probes: true });
    for (const url of ["/readyz", "/livez"]) {
      const got = await app.inject({ url });
      expect(got.headers).toMatchObject({
        "cache-control": "no-store",
        "content-type": "application/json; charset=utf-8",
      });
      expect(got.json()).toMatchObject({ phase: "serving" });
      expect((await app.inject({ url, method: "HEAD" })).statusCode).toBe(200);
      expect((await app.inject({ url, method: "POST" })).statusCode).toBe(404);
    }
    await app.close();
  });
});

describe("mistakes", () => {
  test.each<[Parameters<typeof lifecyclePlugin>[1], string]>([
    [{ lifecycle: { drainTimeoutMs: -1 } }, "drainTimeoutMs"],
    [{ probes: { readyPath: "readyz" } }, "readyPath"],
  ])("options are checked when the plugin is loaded: %o", async (options, message) => {
    const app = createApp("http");
    await expect(async () => app.register(lifecyclePlugin, options)).rejects.toThrow(message);
    await app.close();
  });

  test("a plugin for each server, once", async () => {
    const app = createApp("h2c");
    await app.register(lifecyclePlugin);
    await expect(async () => app.register(lifecyclePlugin)).rejects.toThrow("managed already");
    await app.close();
  });

  test("a lifecycle that shuts down manages nothing more", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    await lifecycle.shutdown();
    const app = createApp("http");
    await expect(async () => app.register(lifecyclePlugin, { lifecycle })).rejects.toThrow("shutting down");
    await app.close();
  });

  test("its types fit every kind of server", async () => {
    for (const app of [
      fastify().register(lifecyclePlugin),
      fastify({ http2: true }).register(lifecyclePlugin, { probes: true }),
      fastify({ https: {} }).register(lifecyclePlugin, { lifecycle: { maxConnectionAgeMs: 60_000 } }),
      fastify({ http2: true, https: {} }).register(lifecyclePlugin, { lifecycle: createLifecycle() }),
    ]) {
      await app.ready();
      const { phase } = app.lifecycle;
      expect(phase).toBe("serving");
      await app.close();
    }
  });
});
