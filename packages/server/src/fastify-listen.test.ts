import dns from "node:dns";
import { once } from "node:events";
import http from "node:http";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connectRawTo, createApp, createManagedApp, inOrder, listenApp, record } from "../test-helpers/fastify-app.ts";
import { goawaysOf } from "../test-helpers/goaways.ts";
import { noticeLastStream, RawClient, until } from "../test-helpers/raw-client.ts";
import { lifecyclePlugin } from "./fastify.ts";
import { createLifecycle } from "./server-lifecycle.ts";

describe("listen() on a name with several addresses", () => {
  function resolveLocalhost(...addresses: string[]): void {
    const { lookup } = dns;
    const spy = vi.spyOn(dns, "lookup");
    onTestFinished(() => spy.mockRestore());
    type Callback = (error: null, found: unknown) => void;
    const fake = (host: string, options: unknown, callback: Callback): void => {
      if (host !== "localhost") (lookup as (...all: unknown[]) => void)(host, options, callback);
      else if ((options as { all?: boolean }).all === true) {
        process.nextTick(
          callback,
          null,
          addresses.map((address) => ({ address, family: 4 })),
        );
      } else process.nextTick(callback as (...all: unknown[]) => void, null, addresses[0], 4);
    };
    spy.mockImplementation(fake as unknown as typeof dns.lookup);
  }

  test.each([false, true])("h2c, forceCloseConnections %s: all their connections are managed", async (force) => {
    resolveLocalhost("127.0.0.1", "127.0.0.2");
    const plugin = { lifecycle: { readinessDelayMs: 0 } };
    const { app, answer, waiting } = await createManagedApp("h2c", plugin, { forceCloseConnections: force });
    const log = record(app);
    await app.listen({ port: 0 });
    const addresses = app.addresses() as { address: string; port: number }[];
    expect(addresses.map(({ address }) => address).sort()).toEqual(["127.0.0.1", "127.0.0.2"]);
    const port = addresses[0]!.port;

    const client = new RawClient(connectTcp({ host: "127.0.0.2", port }));
    onTestFinished(() => client.end());
    client.begin();
    await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
    client.autoAck = false;
    const waited = client.request("/wait");
    await until("the request", () => waiting() === 1);
    expect(app.lifecycle.snapshot().connections.length).toBe(1);
    const closed = app.close();
    await until("the PING", () => client.pings().length === 1);
    await until("the first server's end", () => !app.server.listening);
    await sleep(10);
    const late = client.request("/");
    await until("the late answer", () => client.isComplete(late));
    client.ack(client.pings()[0]!);
    answer();
    await closed;
    expect(client.dataOf(waited).toString()).toBe("waited");
    expect(goawaysOf(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${late}`]);
    expect(log).toEqual(inOrder);
  });

  test("http, forceCloseConnections true: a request to the second address finishes", async () => {
    resolveLocalhost("127.0.0.1", "127.0.0.2");
    const plugin = { lifecycle: { readinessDelayMs: 0 } };
    const { app, answer, waiting } = await createManagedApp("http", plugin, { forceCloseConnections: true });
    await app.listen({ port: 0 });
    const { port } = app.addresses()[0] as { port: number };
    const request = http.get({ host: "127.0.0.2", port, path: "/wait", agent: false });
    await until("the request", () => waiting() === 1);
    const closed = app.close();
    await until("the drain", () => app.lifecycle.draining.aborted);
    await sleep(10);
    answer();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect((await response.setEncoding("utf8").toArray()).join("")).toBe("waited");
    await closed;
  });

  test("servers that Fastify does not show are warned of", async () => {
    const app = createApp("http");
    await app.register(lifecyclePlugin, { lifecycle: { readinessDelayMs: 0 } });
    const { addresses } = app;
    app.addresses = () => [...addresses.call(app), { address: "::1", family: "IPv6", port: 1 }];
    const warnings: unknown[] = [];
    const onWarning = (warning: Error & { code?: string }) => warnings.push(warning.code);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    await app.listen({ port: 0, host: "127.0.0.1" });
    await until("the warning", () => warnings.includes("EVENKEEL_UNMANAGED_SERVER"));
    await app.close();
  });
});

describe("http2SessionTimeout", () => {
  test("becomes maxConnectionIdleMs of the plugin's own lifecycle: idle connections get two GOAWAYs, busy ones none", async () => {
    const clock = new FakeClock();
    const { app, answer } = await createManagedApp("h2c", { lifecycle: { clock } }, { http2SessionTimeout: 30 });
    const port = await listenApp(app, onTestFinished);
    const client = await connectRawTo(port, false, onTestFinished);
    const stream = client.request("/wait");
    await until("the stream", () => app.lifecycle.snapshot().connections[0]?.openStreams === 1);
    await clock.advance(60);
    await sleep(100);
    expect(goawaysOf(client)).toEqual([]);
    answer();
    await until("the answer", () => client.isComplete(stream));
    await until("the stream's end", () => app.lifecycle.snapshot().connections[0]?.openStreams === 0);
    await clock.advance(30);
    await until("FIN", () => client.ended);
    expect(goawaysOf(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${stream}`]);
  });

  test("is left to the options of a lifecycle that is given, or that has them", async () => {
    for (const lifecycle of [
      createLifecycle({ readinessDelayMs: 0 }),
      { readinessDelayMs: 0, maxConnectionIdleMs: Number.POSITIVE_INFINITY },
    ]) {
      const { app } = await createManagedApp("h2c", { lifecycle }, { http2SessionTimeout: 20 });
      const client = await connectRawTo(await listenApp(app, onTestFinished), false, onTestFinished);
      await sleep(80);
      expect(goawaysOf(client)).toEqual([]);
      await app.close();
    }
  });
});
