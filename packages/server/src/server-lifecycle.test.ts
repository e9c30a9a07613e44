import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { cert, key } from "../test-helpers/certificate.ts";
import { connectRaw, lastStreamOf, noticeLastStream, type RawClient, until } from "../test-helpers/raw-client.ts";
import { createServer, listen } from "../test-helpers/servers.ts";
import type { ConnectionEvent } from "./connection/connection.ts";
import { connectionChannel } from "./events.ts";
import type { ManageableServer } from "./intake/intake.ts";
import type { Phase } from "./lifecycle.ts";
import { createLifecycle, manageConnections } from "./server-lifecycle.ts";

async function clientOf(port: number, secure = false): Promise<RawClient> {
  const client = await connectRaw(port, secure);
  onTestFinished(() => client.end());
  client.begin();
  await until("the connection", () => client.of("SETTINGS").length >= 2);
  return client;
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.on("close", () => resolve(true));
      socket.destroy();
    });
  });

describe("manage()", () => {
  test.each([
    ["nothing", undefined],
    ["null", null],
    ["a string", "server"],
    ["an object", { listen() {}, updateSettings() {} }],
    ["a server of node:net", net.createServer()],
    ["a server of node:tls", tls.createServer()],
  ])("refuses %s and says what is supported", (_, server) => {
    const manage = () => createLifecycle().manage(server as unknown as ManageableServer);
    expect(manage).toThrow(TypeError);
    expect(manage).toThrow("supported are the servers of node:http, node:https and node:http2");
  });

  test("refuses a server that is managed, by whichever lifecycle", () => {
    const server = http2.createServer();
    const lifecycle = manageConnections(server);
    expect(() => lifecycle.manage(server)).toThrow("managed already");
    expect(() => createLifecycle().manage(server)).toThrow("managed already");
  });

  test("refuses a server during the shutdown", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    await lifecycle.shutdown();
    expect(() => lifecycle.manage(http2.createServer())).toThrow("closed");
  });

  test("options are checked at creation", () => {
    expect(() => createLifecycle({ maxConnectionAgeMs: -1 })).toThrow("maxConnectionAgeMs must be above 0");
    const server = http2.createServer();
    expect(() => manageConnections(server, { drainTimeoutMs: Number.NaN })).toThrow("drainTimeoutMs");
    expect(() => manageConnections(server)).not.toThrow();
  });

  test("works after listen() as before it, for several servers, and reports their connections", async () => {
    const lifecycle = createLifecycle();
    const servers = [createServer(false, (_, response) => response.end()), createServer(true, (_, r) => r.end())];
    const ports: number[] = [];
    for (const server of servers) {
      ports.push(await listen(server, onTestFinished));
      lifecycle.manage(server);
    }
    const clients = [await clientOf(ports[0]!, false), await clientOf(ports[1]!, true)];
    expect(lifecycle.snapshot()).toMatchObject({
      phase: "serving",
      rpcsInFlight: 0,
      connections: [
        { protocol: "h2c", state: "ready", remote: `127.0.0.1:${clients[0]?.socket.localPort}` },
        { protocol: "h2", state: "ready", remote: `127.0.0.1:${clients[1]?.socket.localPort}` },
      ],
    });
    const snapshot = lifecycle.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
    lifecycle.retireConnections();
    for (const client of clients) await until("FIN", () => client.ended);
  });
});

describe("shutdown()", () => {
  test("goes in order: not ready, still serving, not listening, GOAWAY, streams finish, hooks", async () => {
    const clock = new FakeClock();
    const lifecycle = createLifecycle({ clock, readinessDelayMs: 3_000 });
    let answer = (): void => {};
    const server = createServer(false, (_, response) => {
      answer = () => response.end();
    });
    lifecycle.manage(server);
    const port = await listen(server, onTestFinished);
    const client = await clientOf(port);
    const log: string[] = [];
    lifecycle.onPhase((phase) => {
      log.push(`${phase}: ready ${lifecycle.ready}, listening ${server.listening}, GOAWAYs ${goaways()}`);
    });
    const goaways = (): number => lifecycle.snapshot().connections[0]?.goawaysSent ?? -1;
    lifecycle.onShutdown(async () => {
      await undefined;
      log.push("hook 1");
    });
    lifecycle.onShutdown(() => void log.push(`hook 2: connections ${lifecycle.snapshot().connections.length}`));
    const remove = lifecycle.onShutdown(() => void log.push("removed hook"));
    remove();
    expect([lifecycle.ready, lifecycle.phase]).toEqual([true, "serving"]);

    const done = lifecycle.shutdown();
    expect(lifecycle.shutdown()).toBe(done);
    expect([lifecycle.ready, lifecycle.phase, lifecycle.draining.aborted]).toEqual([false, "notReady", false]);
    await clock.advance(2_999);
    expect(await accepts(port)).toBe(true);
    const stream = client.request("/");
    await until("the request", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    expect(client.of("GOAWAY")).toEqual([]);

    await clock.advance(1);
    await until("the drain", () => lifecycle.phase === "draining");
    expect([lifecycle.phase, lifecycle.draining.aborted, server.listening]).toEqual(["draining", true, false]);
    expect(await accepts(port)).toBe(false);
    await until("both GOAWAYs", () => client.of("GOAWAY").length === 2);
    expect(client.of("GOAWAY").map(lastStreamOf)).toEqual([noticeLastStream, stream]);
    expect(log).toHaveLength(2);

    answer();
    await done;
    expect(client.isComplete(stream)).toBe(true);
    expect(lifecycle.phase).toBe("closed");
    expect(log).toEqual([
      "notReady: ready false, listening true, GOAWAYs 0",
      "draining: ready false, listening false, GOAWAYs 0",
      "hook 1",
      "hook 2: connections 0",
      "closed: ready false, listening false, GOAWAYs -1",
    ]);
    await until("every timer is gone", () => clock.pending === 0);
  });

  test.each([false, true])("cuts what outlasts drainTimeoutMs (TLS: %s)", async (secure) => {
    const server = createServer(secure, () => {});
    const lifecycle = manageConnections(server, { readinessDelayMs: 0, drainTimeoutMs: 100 });
    const port = await listen(server, onTestFinished);
    const client = await clientOf(port, secure);
    client.request("/stuck");
    await until("the request", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    const causes: unknown[] = [];
    const onEvent = (event: unknown): void => {
      const { type, ...rest } = event as ConnectionEvent;
      if (type === "closed" && "cause" in rest) causes.push(rest.cause);
    };
    subscribe(connectionChannel, onEvent);
    onTestFinished(() => void unsubscribe(connectionChannel, onEvent));
    await lifecycle.shutdown();
    await until("the socket is closed", () => client.closed);
    expect(causes).toEqual(["forced"]);
  });

  test("force cuts every wait short, at once", async () => {
    const server = createServer(false, () => {});
    const lifecycle = manageConnections(server, { readinessDelayMs: 60_000, drainTimeoutMs: 60_000 });
    const port = await listen(server, onTestFinished);
    const client = await clientOf(port);
    client.request("/stuck");
    await until("the request", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    const done = lifecycle.shutdown();
    await sleep(10);
    expect(lifecycle.phase).toBe("notReady");
    expect(lifecycle.shutdown({ force: true })).toBe(done);
    await done;
    expect(lifecycle.snapshot()).toMatchObject({ phase: "closed", connections: [] });
    await until("the socket is closed", () => client.closed);
  });

  test("force in the drain, and with the first call", async () => {
    for (const early of [true, false]) {
      const server = createServer(false, () => {});
      const lifecycle = manageConnections(server, { readinessDelayMs: 0, drainTimeoutMs: Number.POSITIVE_INFINITY });
      const client = await clientOf(await listen(server, onTestFinished));
      client.request("/stuck");
      await until("the request", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
      if (!early) void lifecycle.shutdown();
      if (!early) await until("the final GOAWAY", () => client.of("GOAWAY").length === 2);
      await lifecycle.shutdown({ force: true });
      await until("the socket is closed", () => client.closed);
    }
  });

  test("hooks run after a force; one more force stops to wait for them", async () => {
    const lifecycle = createLifecycle();
    const log: string[] = [];
    lifecycle.onShutdown(async () => {
      await sleep(5);
      log.push("flushed");
    });
    lifecycle.onShutdown(() => new Promise(() => {}));
    const done = lifecycle.shutdown({ force: true });
    await until("the first hook", () => log.length === 1);
    expect(lifecycle.phase).toBe("draining");
    await lifecycle.shutdown({ force: true });
    await done;
    expect(lifecycle.phase).toBe("closed");
  });

  test("failing hooks and callbacks stop nothing and are reported at the end", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    const log: string[] = [];
    lifecycle.onPhase((phase) => {
      if (phase === "draining") throw new Error("in a callback");
    });
    lifecycle.onShutdown(() => Promise.reject(new Error("in a hook")));
    lifecycle.onShutdown(() => void log.push("the next hook"));
    const error = await lifecycle.shutdown().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map((each) => each.message)).toEqual(["in a callback", "in a hook"]);
    expect(log).toEqual(["the next hook"]);
    expect(lifecycle.phase).toBe("closed");
  });

  test("a phase callback may call shutdown(), and force it", async () => {
    for (const force of [false, true]) {
      const lifecycle = createLifecycle({ readinessDelayMs: 0 });
      const phases: Phase[] = [];
      const seen: unknown[] = [];
      lifecycle.onPhase((phase) => {
        phases.push(phase);
        if (phases.length < 10) seen.push(lifecycle.shutdown({ force }));
      });
      const done = lifecycle.shutdown();
      await done;
      expect(phases).toEqual(["notReady", "draining", "closed"]);
      expect(seen.every((each) => each === done)).toBe(true);
    }
  });

  test("a hook may add hooks and remove others", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    const log: string[] = [];
    lifecycle.onShutdown(() => {
      log.push("first");
      remove();
      lifecycle.onShutdown(() => void log.push("third"));
    });
    const remove = lifecycle.onShutdown(() => void log.push("removed"));
    await lifecycle.shutdown();
    expect(log).toEqual(["first", "third"]);
  });

  test("an asynchronous phase callback that fails is reported like any other", async () => {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    lifecycle.onPhase(async (phase) => {
      if (phase === "notReady") throw new Error("in an asynchronous callback");
    });
    const error = await lifecycle.shutdown().catch((reason: unknown) => reason);
    expect((error as AggregateError).errors?.map((each) => each.message)).toEqual(["in an asynchronous callback"]);
  });

  test("a limit that changes before its wait begins counts", async () => {
    const clock = new FakeClock();
    const lifecycle = createLifecycle({ clock, readinessDelayMs: 1_000 });
    lifecycle.onPhase((phase) => {
      if (phase === "notReady") lifecycle.update({ readinessDelayMs: 10 });
    });
    const never = lifecycle.interceptor(() => new Promise(() => {}));
    void never({ signal: new AbortController().signal, contextValues: { set: () => {} } } as never);
    const done = lifecycle.shutdown();
    lifecycle.update({ drainTimeoutMs: 20 });
    await clock.advance(10);
    await until("the drain", () => lifecycle.phase === "draining");
    await clock.advance(20);
    await done;
  });

  test("RPCs in flight on servers that are not managed are waited for", async () => {
    const clock = new FakeClock();
    const lifecycle = createLifecycle({ readinessDelayMs: 0, clock });
    const phases: Phase[] = [];
    const unsubscribe = lifecycle.onPhase((phase) => phases.push(phase));
    let finish = (): void => {};
    const handler = lifecycle.interceptor(async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return { stream: false, header: new Headers() } as never;
    });
    const rpc = handler({ signal: new AbortController().signal, contextValues: { set: () => {} } } as never);
    const done = lifecycle.shutdown();
    await clock.advance(0);
    await until("the drain", () => lifecycle.phase === "draining");
    await clock.advance(19_999);
    expect(lifecycle.snapshot()).toMatchObject({ phase: "draining", rpcsInFlight: 1 });
    finish();
    await rpc;
    await done;
    expect(phases).toEqual(["notReady", "draining", "closed"]);
    unsubscribe();
  });

  test("a connection that arrives while draining is retired without loss, and after the end destroyed", async () => {
    // as when another server hands its sockets over: this one does not listen itself
    const server = http2.createServer((_, response) => void setTimeout(() => response.end("served"), 30));
    const front = net.createServer((socket) => server.emit("connection", socket));
    const lifecycle = manageConnections(server, { readinessDelayMs: 0 });
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    onTestFinished(() => new Promise((resolve) => front.close(() => resolve())));
    const { port } = front.address() as net.AddressInfo;
    const first = await clientOf(port);
    const stuck = first.request("/");
    await until("the request", () => lifecycle.snapshot().connections.length === 1);
    first.autoAck = false;
    const done = lifecycle.shutdown();
    await until("the notice", () => first.of("GOAWAY").length === 1);

    const late = await connectRaw(port, false);
    onTestFinished(() => late.end());
    late.begin();
    const request = late.request("/");
    await until("FIN", () => late.ended);
    expect(late.frames[0]?.type).toBe("SETTINGS");
    expect(late.dataOf(request).toString()).toBe("served");
    expect(late.of("GOAWAY").map(lastStreamOf)[0]).toBe(noticeLastStream);

    first.ack(first.pings()[0]!);
    await done;
    expect(first.dataOf(stuck).toString()).toBe("served");
    const refused = await connectRaw(port, false);
    onTestFinished(() => refused.end());
    await until("the late connection is destroyed", () => refused.closed);
  });

  test("a server that begins to listen only during the shutdown, or after it, stops at once", async () => {
    const server = http2.createServer();
    onTestFinished(() => void server.close());
    const lifecycle = manageConnections(server, { readinessDelayMs: 0 });
    const done = lifecycle.shutdown();
    server.listen(0, "127.0.0.1"); // listens some turns later
    await Promise.all([once(server, "close"), done]);
    server.listen(0, "127.0.0.1");
    await once(server, "close");
    expect(lifecycle.phase).toBe("closed");
  });

  test("asyncDispose shuts down", async () => {
    const phases: Phase[] = [];
    {
      await using lifecycle = createLifecycle({ readinessDelayMs: 0 });
      lifecycle.onPhase((phase) => phases.push(phase));
    }
    expect(phases.at(-1)).toBe("closed");
  });
});

describe("TLS servers", () => {
  test("a handshake that goes on is waited for; a silent one does not hold the shutdown", async () => {
    const server = createServer(true, (_, response) => response.end("served"));
    const lifecycle = manageConnections(server, { readinessDelayMs: 0, goawayPingTimeoutMs: 200 });
    const port = await listen(server, onTestFinished);
    const silent = net.connect(port, "127.0.0.1");
    silent.on("error", () => {}).resume();
    await once(silent, "connect");
    await until("the silent connection", () => lifecycle.snapshot().connections.length === 1);
    expect(lifecycle.snapshot().connections).toMatchObject([{ protocol: "tls", state: "handshake" }]);

    const raw = net.connect(port, "127.0.0.1");
    await once(raw, "connect");
    await until("the slow connection", () => lifecycle.snapshot().connections.length === 2);
    const done = lifecycle.shutdown();
    await until("the drain", () => lifecycle.phase === "draining");
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      createConnection: () => tls.connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
    });
    const stream = session.request({ ":path": "/" });
    stream.setEncoding("utf8");
    let body = "";
    stream.on("data", (chunk) => {
      body += chunk;
    });
    await once(stream, "close");
    expect(body).toBe("served");
    await done;
    await until("the silent connection is cut", () => silent.destroyed);
  });

  test("HTTP/1.1 beside HTTP/2 is retired by its next response, waited for, and cut at the end", async () => {
    const secureConnections: unknown[] = [];
    const server = http2.createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
      response.end(`${request.httpVersion} ${(request.socket as { encrypted?: boolean }).encrypted}`);
    });
    server.on("secureConnection", (socket) => secureConnections.push(socket.alpnProtocol));
    const lifecycle = manageConnections(server, { readinessDelayMs: 0, drainTimeoutMs: 200 });
    const port = await listen(server, onTestFinished);
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    onTestFinished(() => agent.destroy());
    const get = async (): Promise<string> => {
      const [response] = await once(https.get({ port, host: "127.0.0.1", agent }), "response");
      let body = "";
      for await (const chunk of response) body += chunk;
      return body;
    };
    expect(await get()).toBe("1.1 true");
    expect(lifecycle.snapshot().connections).toMatchObject([{ id: 2, protocol: "http/1.1", state: "ready" }]);
    lifecycle.retireConnections();
    expect(lifecycle.snapshot().connections).toMatchObject([{ id: 2, state: "retiring", streams: 1 }]);
    expect(await get()).toBe("1.1 true");
    await until("it is closed", () => lifecycle.snapshot().connections.length === 0);
    expect(await get()).toBe("1.1 true");
    expect(secureConnections).toEqual([false, false]);
    await lifecycle.shutdown();
    expect(lifecycle.snapshot().connections).toEqual([]);
  });
});

test("without a file descriptor the end is in one phase, and a warning says so once", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  onTestFinished(() => warn.mockRestore());
  const notices: unknown[] = [];
  const onEvent = (event: unknown): void => {
    const { type, ...rest } = event as ConnectionEvent;
    if (type === "draining" && "notice" in rest) notices.push(rest.notice);
  };
  subscribe(connectionChannel, onEvent);
  onTestFinished(() => void unsubscribe(connectionChannel, onEvent));
  const server = http2.createServer((_, response) => response.end());
  const lifecycle = manageConnections(server);
  for (let round = 0; round < 2; round++) {
    const [ours, theirs] = pair();
    server.emit("connection", theirs);
    const client = http2.connect("http://localhost", { createConnection: () => ours });
    await once(client, "remoteSettings");
    const goaways: number[] = [];
    client.on("goaway", (_code, last) => goaways.push(last));
    lifecycle.retireConnections();
    await once(client, "close");
    expect(goaways[0]).toBe(0);
    await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
  }
  const reason = "its socket has no file descriptor";
  expect(notices).toEqual([
    { kind: "unsupported", reason },
    { kind: "unsupported", reason },
  ]);
  expect(warn).toHaveBeenCalledOnce();
  expect(warn.mock.calls[0]).toMatchObject([expect.stringContaining(reason), { code: "EVENKEEL_ONE_PHASE_GOAWAY" }]);
});

/** Two ends of a connection without sockets. */
function pair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const left: Duplex = make(() => right);
  const right: Duplex = make(() => left);
  return [left, right];
}
