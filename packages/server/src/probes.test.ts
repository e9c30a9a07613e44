import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { FakeClock } from "@evenkeel/testing";
import express from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { runProgram } from "../test-helpers/child.ts";
import { connectHttp1, keepAliveAgent, request } from "../test-helpers/http1-client.ts";
import { until } from "../test-helpers/raw-client.ts";
import { listen } from "../test-helpers/servers.ts";
import type { Lifecycle, Phase } from "./lifecycle.ts";
import { type ProbeHandlerOptions, type ProbeOptions, probeHandler, serveProbes } from "./probes.ts";
import { createLifecycle } from "./server-lifecycle.ts";

/** A lifecycle whose shutdown stops in each phase until the test lets it go on. */
function createSteps(): { lifecycle: Lifecycle; goTo(phase: Phase): Promise<void> } {
  const clock = new FakeClock();
  const lifecycle = createLifecycle({ clock });
  let finish = (): void => {};
  lifecycle.onShutdown(() => new Promise((resolve) => (finish = resolve)));
  return {
    lifecycle,
    async goTo(phase) {
      if (phase === "notReady") void lifecycle.shutdown();
      if (phase === "draining") await clock.advance(5_000);
      if (phase === "closed") finish();
      await until(phase, () => lifecycle.phase === phase);
      await sleep(0); // the hooks begin in a later turn
    },
  };
}

async function serve(lifecycle: Lifecycle, options: ProbeHandlerOptions<unknown, http.ServerResponse> = {}) {
  const port = await listen(http.createServer(probeHandler(lifecycle, options)), onTestFinished);
  return (path: string, method = "GET") => request(`http://127.0.0.1:${port}${path}`, { method, agent: false });
}

describe("probeHandler()", () => {
  test("readiness ends with the call of shutdown(), liveness does not", async () => {
    const { lifecycle, goTo } = createSteps();
    const ask = await serve(lifecycle);
    expect(await ask("/readyz")).toMatchObject({ status: 200, body: '{"ready":true,"phase":"serving"}' });
    expect(await ask("/livez")).toMatchObject({ status: 200, body: '{"live":true,"phase":"serving"}' });
    for (const phase of ["notReady", "draining", "closed"] as const) {
      await goTo(phase);
      expect(await ask("/readyz")).toMatchObject({ status: 503, body: `{"ready":false,"phase":"${phase}"}` });
      expect(await ask("/livez")).toMatchObject({ status: 200, body: `{"live":true,"phase":"${phase}"}` });
    }
  });

  test("isReady() can only take readiness away", async () => {
    const { lifecycle, goTo } = createSteps();
    let isReady = (): boolean => false;
    const ask = await serve(lifecycle, { isReady: () => isReady() });
    expect(await ask("/readyz")).toMatchObject({ status: 503, body: '{"ready":false,"phase":"serving"}' });
    expect((await ask("/livez")).status).toBe(200);
    isReady = () => true;
    expect((await ask("/readyz")).status).toBe(200);
    isReady = () => {
      throw new Error("no database");
    };
    expect(await ask("/readyz")).toMatchObject({
      status: 503,
      body: '{"ready":false,"phase":"serving","error":"isReady() threw: Error: no database"}',
    });
    isReady = () => true;
    await goTo("notReady");
    expect((await ask("/readyz")).status).toBe(503);
    await goTo("draining");
    await goTo("closed");
  });

  test("answers HEAD without a body, ignores query strings, refuses other methods, and must not be cached", async () => {
    const ask = await serve(createLifecycle());
    const got = await ask("/readyz?verbose=1");
    expect(got).toMatchObject({
      status: 200,
      headers: { "cache-control": "no-store", "content-type": "application/json" },
    });
    const head = await ask("/livez?", "HEAD");
    expect(head).toMatchObject({ status: 200, body: "", headers: { "content-length": "31" } });
    for (const path of ["/readyz", "/livez"]) {
      expect(await ask(path, "POST")).toMatchObject({ status: 405, body: "", headers: { allow: "GET, HEAD" } });
    }
    expect((await ask("/")).status).toBe(404);
    expect((await ask("/readyz/x")).status).toBe(404);
  });

  test("takes other paths, and gives the requests for others to next", async () => {
    const next = (_: unknown, response: http.ServerResponse): void => void response.end("mine");
    const ask = await serve(createLifecycle(), { readyPath: "/health/ready", livePath: "/", next });
    expect((await ask("/health/ready")).body).toContain("ready");
    expect((await ask("/?x")).body).toContain("live");
    expect((await ask("/readyz", "PUT")).body).toBe("mine");
  });

  test("wraps the adapter of connect-node on a server of node:http2", async () => {
    const { lifecycle, goTo } = createSteps();
    const adapter = connectNodeAdapter({ routes: (router) => router.service(DemoService, { ping: () => ({}) }) });
    const server = http2.createServer(probeHandler(lifecycle, { next: adapter }));
    const session = http2.connect(`http://127.0.0.1:${await listen(server, onTestFinished)}`);
    onTestFinished(async () => {
      session.close();
      await once(session, "close");
    });
    const ask = async (method: string, path: string, body?: string) => {
      const stream = session.request({ ":path": path, ":method": method, "content-type": "application/json" });
      stream.end(body).setEncoding("utf8");
      const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
      return { status: headers[":status"], body: (await stream.toArray()).join("") };
    };
    expect(await ask("GET", "/readyz")).toEqual({ status: 200, body: '{"ready":true,"phase":"serving"}' });
    expect(await ask("HEAD", "/livez")).toEqual({ status: 200, body: "" });
    expect(await ask("POST", "/livez")).toEqual({ status: 405, body: "" });
    expect((await ask("POST", "/demo.v1.DemoService/Ping", "{}")).status).toBe(200);
    await goTo("notReady");
    expect((await ask("GET", "/readyz")).status).toBe(503);
    await goTo("draining");
    await goTo("closed");
  });

  test("is middleware of Express, also below a path", async () => {
    const app = express();
    app.use(probeHandler(createLifecycle()));
    app.use("/probes", probeHandler(createLifecycle()));
    app.get("/", (_, response) => void response.send("mine"));
    const port = await listen(http.createServer(app), onTestFinished);
    const ask = (path: string) => request(`http://127.0.0.1:${port}${path}`, { agent: false });
    expect((await ask("/readyz")).status).toBe(200);
    expect((await ask("/probes/livez?x")).status).toBe(200);
    expect((await ask("/")).body).toBe("mine");
    expect((await ask("/probes")).status).toBe(404);
  });

  test.each<[ProbeHandlerOptions<unknown, unknown>, ErrorConstructor, string]>([
    [{ readyPath: "readyz" }, RangeError, 'readyPath must begin with "/"'],
    [{ livePath: "/livez?x" }, RangeError, "livePath"],
    [{ livePath: 1 as unknown as string }, TypeError, "livePath must be a string: number"],
    [{ livePath: "/readyz" }, RangeError, "livePath must differ from readyPath"],
    [{ isReady: true as unknown as () => boolean }, TypeError, "isReady must be a function: boolean"],
    [{ next: {} as () => void }, TypeError, "next must be a function: object"],
  ])("checks its options: %o", (options, type, message) => {
    const create = () => probeHandler(createLifecycle(), options as ProbeOptions);
    expect(create).toThrow(type);
    expect(create).toThrow(message);
  });
});

describe("serveProbes()", () => {
  test("answers through the drain, and closes when the lifecycle is closed, with idle and slow connections", async () => {
    const { lifecycle, goTo } = createSteps();
    const { port } = await serveProbes(lifecycle, { port: 0, host: "127.0.0.1", readyPath: "/r" });
    const agent = keepAliveAgent(onTestFinished);
    const ask = (path: string) => request(`http://127.0.0.1:${port}${path}`, { agent });
    expect((await ask("/r")).status).toBe(200);
    const slow = await connectHttp1(port, onTestFinished);
    slow.socket.write("GET /r HTTP/1.1\r\n");
    for (const phase of ["notReady", "draining"] as const) {
      await goTo(phase);
      expect(await ask("/r")).toMatchObject({ status: 503, body: `{"ready":false,"phase":"${phase}"}`, reused: true });
      expect((await ask("/livez")).status).toBe(200);
    }
    expect(slow.closed()).toBe(false);
    await goTo("closed");
    await until("the end of the slow connection", () => slow.closed());
    await expect(request(`http://127.0.0.1:${port}/livez`, { agent: false })).rejects.toThrow("ECONNREFUSED");
  });

  test("closes when it is told to, as often as one likes", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    const probes = await serveProbes(lifecycle, { port: 0, host: "127.0.0.1" });
    const idle = await connectHttp1(probes.port, onTestFinished);
    await Promise.all([probes.close(), probes.close()]);
    await probes.close();
    await until("the connection's end", () => idle.closed());
    await lifecycle.shutdown();
    await probes[Symbol.asyncDispose]();
  });

  test("rejects when the port is taken, and when the lifecycle is closed", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    const { port } = await serveProbes(lifecycle, { port: 0, host: "127.0.0.1" });
    await expect(serveProbes(lifecycle, { port, host: "127.0.0.1" })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await lifecycle.shutdown();
    await expect(serveProbes(lifecycle, { port: 0, host: "127.0.0.1" })).rejects.toThrow("closed");
  });

  test.each([
    [{ port: 65_536 }, RangeError, "port must be from 0 to 65535: 65536"],
    [{ port: 1.5 }, RangeError, "port"],
    [{ port: "80" as unknown as number }, TypeError, "port must be a number from 0 to 65535: string"],
    [{ port: 0, livePath: "" }, RangeError, "livePath"],
  ])("checks its options: %o", async (options, type, message) => {
    const serving = serveProbes(createLifecycle(), options);
    await expect(serving).rejects.toThrow(type);
    await expect(serving).rejects.toThrow(message);
  });

  test("keeps no process alive, not even with a connection", async () => {
    const { lines, exit } = runProgram("probes.ts", onTestFinished);
    expect(await exit).toEqual([0, null]);
    expect(lines).toEqual(["200"]);
  });
});
