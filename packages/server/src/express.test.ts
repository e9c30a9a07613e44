import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectRouter, createClient, type Transport } from "@connectrpc/connect";
import { expressConnectMiddleware } from "@connectrpc/connect-express";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { FakeClock } from "@evenkeel/testing";
import express from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { cert, key } from "../test-helpers/certificate.ts";
import { keepAliveAgent, request } from "../test-helpers/http1-client.ts";
import { until } from "../test-helpers/raw-client.ts";
import { listen } from "../test-helpers/servers.ts";
import { guardStockClients } from "../test-helpers/stock-client.ts";
import { acceptH2c } from "./accept-h2c.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { probeHandler } from "./probes.ts";
import { createLifecycle } from "./server-lifecycle.ts";

const routes = (router: ConnectRouter): ConnectRouter =>
  router.service(DemoService, {
    async charge({ work, payload }) {
      if (work?.delayMs) await sleep(work.delayMs);
      return { pod: "pod-1", payload };
    },
    async *count({ work, to }) {
      for (let number = 1; number <= to; number++) {
        if (work?.delayMs) await sleep(work.delayMs);
        yield { pod: "pod-1", number };
      }
    },
  });

/** As the README shows it: probes, RPCs, and pages. */
function createApp(lifecycle: Lifecycle): express.Express {
  const app = express();
  app.use(probeHandler(lifecycle));
  app.use(expressConnectMiddleware({ routes, interceptors: [lifecycle.interceptor] }));
  app.get("/", (_, response) => void response.send("page"));
  return app;
}

const createAdapter = (lifecycle: Lifecycle) =>
  probeHandler(lifecycle, { next: connectNodeAdapter({ routes, interceptors: [lifecycle.interceptor] }) });

function clientOf(transport: Transport) {
  return createClient(DemoService, transport);
}

function http1Client(baseUrl: string) {
  const options = { keepAlive: true, maxSockets: 8, rejectUnauthorized: false };
  const agent = baseUrl.startsWith("https") ? new https.Agent(options) : new http.Agent(options);
  onTestFinished(() => agent.destroy());
  return clientOf(createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { agent } }));
}

function grpcClient(baseUrl: string) {
  onTestFinished(guardStockClients());
  const nodeOptions = { rejectUnauthorized: false };
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  onTestFinished(() => sessionManager.abort());
  return clientOf(createGrpcTransport({ baseUrl, nodeOptions, sessionManager }));
}

async function exercise(client: ReturnType<typeof clientOf>): Promise<void> {
  const payload = Buffer.alloc(50_000, "evenkeel");
  const response = await client.charge({ payload });
  expect(Buffer.compare(response.payload, payload)).toBe(0);
  const numbers: number[] = [];
  for await (const { number } of client.count({ to: 3 })) numbers.push(number);
  expect(numbers).toEqual([1, 2, 3]);
}

describe("Express on a managed server of node:http", () => {
  async function setUp() {
    const clock = new FakeClock();
    const lifecycle = createLifecycle({ clock, podName: "pod-1" });
    const server = http.createServer(createApp(lifecycle));
    lifecycle.manage(server);
    const baseUrl = `http://127.0.0.1:${await listen(server, onTestFinished)}`;
    return { clock, lifecycle, baseUrl };
  }

  test("serves RPCs of Connect and gRPC-Web, pages and probes", async () => {
    const { lifecycle, baseUrl } = await setUp();
    await exercise(http1Client(baseUrl));
    const agent = keepAliveAgent(onTestFinished);
    await exercise(clientOf(createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { agent } })));
    expect(await request(`${baseUrl}/readyz`, { agent })).toMatchObject({ status: 200 });
    expect(await request(`${baseUrl}/`, { agent })).toMatchObject({ status: 200, body: "page" });
    expect(lifecycle.snapshot()).toMatchObject({ rpcsInFlight: 0, connections: [{}, {}] });
  });

  test("a shutdown under load loses nothing", async () => {
    const { clock, lifecycle, baseUrl } = await setUp();
    const statuses: unknown[] = [];
    const work = async (): Promise<void> => {
      const agent = keepAliveAgent(onTestFinished);
      for (let open = true; open; ) {
        const answer = await request(
          `${baseUrl}/demo.v1.DemoService/Charge`,
          { agent, method: "POST", headers: { "content-type": "application/json" } },
          Buffer.from("{}"),
        ).catch((error: unknown) => ({ status: error, headers: { connection: "close" } }));
        statuses.push(answer.status);
        open = answer.headers.connection !== "close";
      }
    };
    const load = Promise.all(Array.from({ length: 8 }, work));
    await until("some answers", () => statuses.length > 50);
    const shutdown = lifecycle.shutdown();
    expect(await request(`${baseUrl}/readyz`, { agent: false })).toMatchObject({ status: 503 });
    expect(await request(`${baseUrl}/livez`, { agent: false })).toMatchObject({ status: 200 });
    await clock.advance(5_000);
    await load;
    await shutdown;
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });
});

test("Express and h2c share a port", async () => {
  const lifecycle = createLifecycle({ readinessDelayMs: 0 });
  const http1Server = http.createServer(createApp(lifecycle));
  const http2Server = http2.createServer(createAdapter(lifecycle));
  acceptH2c(http1Server, http2Server);
  lifecycle.manage(http1Server);
  lifecycle.manage(http2Server);
  const baseUrl = `http://127.0.0.1:${await listen(http1Server, onTestFinished)}`;

  const [overHttp1, overH2c] = [http1Client(baseUrl), grpcClient(baseUrl)];
  await exercise(overHttp1);
  await exercise(overH2c);
  const agent = keepAliveAgent(onTestFinished);
  expect(await request(`${baseUrl}/`, { agent })).toMatchObject({ body: "page" });
  agent.destroy();

  const numbers: number[] = [];
  let shutdown: Promise<void> | undefined;
  const charged = overHttp1.charge({ work: { delayMs: 50 } });
  for await (const { number } of overH2c.count({ to: 5, work: { delayMs: 10 } })) {
    numbers.push(number);
    shutdown ??= lifecycle.shutdown();
  }
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
  expect((await charged).pod).toBe("pod-1");
  expect(lifecycle.phase).not.toBe("serving");
  lifecycle.shutdown({ force: true }).catch(() => {}); // the connections that idle have 5 s
  await shutdown;
});

test("Express and HTTP/2 share a port over TLS", async () => {
  const lifecycle = createLifecycle({ readinessDelayMs: 0 });
  const [app, adapter] = [createApp(lifecycle), createAdapter(lifecycle)];
  const server = http2.createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
    if (request.httpVersionMajor === 2) adapter(request, response);
    else app(request as unknown as express.Request, response as unknown as express.Response);
  });
  lifecycle.manage(server);
  const baseUrl = `https://127.0.0.1:${await listen(server, onTestFinished)}`;
  await exercise(http1Client(baseUrl));
  await exercise(grpcClient(baseUrl));
  expect(lifecycle.snapshot().connections.map(({ protocol }) => protocol)).toEqual(["http/1.1", "h2"]);
});
