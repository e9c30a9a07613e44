import { FakeClock } from "@evenkeel/testing";
import type { FastifyInstance } from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectRawTo, createApp, createManagedApp, inOrder, listenApp, record } from "../test-helpers/fastify-app.ts";
import { goawaysOf } from "../test-helpers/goaways.ts";
import { request } from "../test-helpers/http1-client.ts";
import { until } from "../test-helpers/raw-client.ts";
import { lifecyclePlugin } from "./fastify.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { createLifecycle } from "./server-lifecycle.ts";

describe("fastify.close() and lifecycle.shutdown()", () => {
  async function setUp(prepare: (app: FastifyInstance) => void = () => {}) {
    const { app } = await createManagedApp("h2c", { lifecycle: { readinessDelayMs: 0 } });
    prepare(app);
    const log = record(app);
    await listenApp(app, onTestFinished);
    return { app, log };
  }

  test.each<[string, (app: FastifyInstance) => Promise<unknown>]>([
    ["close()", (app) => app.close()],
    ["shutdown()", (app) => app.lifecycle.shutdown()],
    ["close(), then shutdown()", (app) => Promise.all([app.close(), app.lifecycle.shutdown()])],
    ["shutdown(), then close()", (app) => Promise.all([app.lifecycle.shutdown(), app.close()])],
    ["close() twice", (app) => Promise.all([app.close(), app.close()])],
    ["close() with a callback", (app) => new Promise((resolve) => app.close(() => resolve(undefined)))],
    ["await using", (app) => app[Symbol.asyncDispose]()],
    ["a forced shutdown()", (app) => app.lifecycle.shutdown({ force: true })],
  ])("%s: the same order, and all promises settle", async (_, end) => {
    const { app, log } = await setUp();
    await end(app);
    expect(log).toEqual(inOrder);
    expect(app.server.listening).toBe(false);
    await app.close();
    await app.lifecycle.shutdown();
    await new Promise<void>((resolve) => void app.close(resolve));
    expect(log).toEqual(inOrder);
  });

  test("close() of an encapsulated instance and the signal of listen() drain as well", async () => {
    for (const end of ["child", "signal"] as const) {
      const abort = new AbortController();
      const app = createApp("http");
      await app.register(lifecyclePlugin, { lifecycle: { readinessDelayMs: 0 } });
      let child: FastifyInstance = app;
      await app.register(async (instance) => {
        child = instance;
      });
      expect(child.lifecycle).toBe(app.lifecycle);
      const log = record(app);
      await app.listen({ port: 0, host: "127.0.0.1", signal: abort.signal });
      if (end === "child") void child.close();
      else abort.abort();
      await until("the end", () => app.lifecycle.phase === "closed");
      expect(log).toEqual(inOrder);
    }
  });

  test("hooks that were added before the plugin run before Fastify closes", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    const log: string[] = [];
    lifecycle.onShutdown(() => void log.push("earlier hook"));
    const { app } = await createManagedApp("h2c", { lifecycle });
    expect(app.lifecycle).toBe(lifecycle);
    log.push(...record(app));
    app.addHook("onClose", async () => void log.push("onClose"));
    await listenApp(app, onTestFinished);
    await lifecycle.shutdown();
    expect(log).toEqual(["earlier hook", "onClose"]);
  });

  test("a failing onClose hook rejects both, as each does by itself", async () => {
    const failure = new Error("onClose failed");
    const { app } = await setUp((app) => app.addHook("onClose", () => Promise.reject(failure)));
    const shutdown = app.lifecycle.shutdown();
    await expect(app.close()).rejects.toBe(failure);
    await expect(shutdown).rejects.toMatchObject({ errors: [failure] });
    expect(await new Promise((resolve) => app.close(resolve as () => void))).toBe(failure);
  });

  test("a failing hook of the lifecycle rejects both", async () => {
    const { app, log } = await setUp();
    app.lifecycle.onShutdown(() => Promise.reject(new Error("hook failed")));
    await expect(app.close()).rejects.toMatchObject({ errors: [{ message: "hook failed" }] });
    expect(log).toEqual(inOrder);
  });

  test("a close() that was taken from the instance before the plugin drains too", async () => {
    const app = createApp("h2c");
    const close = app.close.bind(app);
    await app.register(lifecyclePlugin, { lifecycle: { readinessDelayMs: 0 } });
    let answer = (): void => {};
    app.post("/wait", (_, reply) => {
      answer = () => reply.send("waited");
    });
    const log = record(app);
    const port = await listenApp(app, onTestFinished);
    const client = await connectRawTo(port, false, onTestFinished);
    const stream = client.request("/wait");
    await until("the stream", () => app.lifecycle.snapshot().connections[0]?.openStreams === 1);
    const closed = close();
    await until("the final GOAWAY", () => goawaysOf(client).length === 3);
    answer();
    await closed;
    await until("the end", () => app.lifecycle.phase === "closed");
    expect(client.dataOf(stream).toString()).toBe("waited");
    expect(log.filter((entry) => entry !== "preClose")).toEqual(inOrder.filter((entry) => entry !== "preClose"));
  });

  test("a Fastify that never listened closes at once, and leaves a given lifecycle alone", async () => {
    const clock = new FakeClock(); // nobody advances it
    const own = await createManagedApp("http", { lifecycle: { clock } });
    const log = record(own.app);
    expect((await own.app.inject("/")).body).toBe("done");
    await own.app.close();
    expect(log).toEqual(inOrder);

    const lifecycle = createLifecycle({ clock });
    const given = await createManagedApp("http", { lifecycle });
    let closes = 0;
    given.app.addHook("onClose", async () => void closes++);
    expect((await given.app.inject("/")).body).toBe("done");
    await given.app.close();
    expect([closes, lifecycle.phase]).toEqual([1, "serving"]);
    await lifecycle.shutdown({ force: true });
    expect([closes, lifecycle.phase]).toEqual([1, "closed"]);
  });

  test("close() before the plugin is loaded ends an own lifecycle, and settles", async () => {
    const app = createApp("http");
    let lifecycle: Lifecycle | undefined;
    app.register(lifecyclePlugin, { lifecycle: { clock: new FakeClock() } }).after(() => {
      lifecycle = app.lifecycle;
    });
    await app.close();
    await until("the end", () => lifecycle?.phase === "closed");
  });

  test("forceCloseConnections cuts nothing that is in flight", async () => {
    const plugin = { lifecycle: { readinessDelayMs: 0 } };
    const { app, answer, waiting } = await createManagedApp("http", plugin, { forceCloseConnections: true });
    const waited = request(`http://127.0.0.1:${await listenApp(app, onTestFinished)}/wait`, { agent: false });
    await until("the request", () => waiting() === 1);
    const closed = app.close();
    await until("the drain", () => app.lifecycle.draining.aborted);
    answer();
    expect(await waited).toMatchObject({ status: 200, body: "waited" });
    await closed;
  });
});
