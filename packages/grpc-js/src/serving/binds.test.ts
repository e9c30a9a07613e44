import { AsyncLocalStorage } from "node:async_hooks";
import { hasSubscribers } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLifecycle } from "@evenkeel/server";
import { logVerbosity, type Server, type ServerUnaryCall, setLogVerbosity } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectRaw, until } from "../../../server/test-helpers/raw-client.ts";
import {
  bind,
  callUnary,
  createClient,
  createManaged,
  createServer,
  holdRpcs,
  openStream,
  serverCredentials,
  testService,
} from "../../test-helpers/managed-server.ts";
import { manageGrpcServer } from "./manage-grpc-server.ts";

/** A server of somebody else, that begins to listen now. */
function listenUnrelated(): http2.Http2Server {
  const server = http2.createServer();
  server.listen(0, "127.0.0.1");
  onTestFinished(async () => {
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  return server;
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function isManaged(server: http2.Http2Server): boolean {
  try {
    createLifecycle().manage(server);
    return false;
  } catch {
    return true;
  }
}

const opened = (lifecycle: { snapshot(): { totals: { opened: number } } }): number =>
  lifecycle.snapshot().totals.opened;

async function connect(port: number): Promise<void> {
  const client = await connectRaw(port, false);
  onTestFinished(() => client.end());
  client.begin();
  await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
}

describe("a bind", () => {
  test("of several addresses and ports: all are managed", async () => {
    const { server, lifecycle } = createManaged();
    const ports = await Promise.all([bind(server), bind(server), bind(server, { address: "localhost:0" })]);
    expect(new Set(ports).size).toBe(3);
    for (const port of ports) await connect(port);
    expect(opened(lifecycle)).toBe(3);
    await lifecycle.shutdown();
    await expect(connectRaw(ports[0] as number, false)).rejects.toThrow("ECONNREFUSED");
  });

  test("of a port that is bound already says so, as without a lifecycle", async () => {
    const { server, lifecycle } = createManaged();
    const port = await bind(server);
    expect(await bind(server, { address: `127.0.0.1:${port}` })).toBe(port);
    await connect(port);
    expect(opened(lifecycle)).toBe(1);
  });

  test("that fails is reported as by grpc-js, and another port can be bound", async () => {
    const taken = createTcpServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    setLogVerbosity(logVerbosity.NONE); // grpc-js writes it to stderr as well
    onTestFinished(() => setLogVerbosity(logVerbosity.ERROR));
    const { server, lifecycle } = createManaged();
    const { port } = taken.address() as AddressInfo;
    await expect(bind(server, { address: `127.0.0.1:${port}` })).rejects.toThrow(/EADDRINUSE/);
    await connect(await bind(server));
    expect(opened(lifecycle)).toBe(1);
    expect(() => server.bindAsync(5 as unknown as string, serverCredentials(false), () => {})).toThrow(TypeError);
  });

  test("takes nobody else's server: from beside it, from its callback, from a handler", async () => {
    const { server, lifecycle } = createManaged();
    const handled: http2.Http2Server[] = [];
    server.removeService(testService);
    server.addService(testService, {
      unary(call: ServerUnaryCall<Buffer, Buffer>, callback: (error: null, response: Buffer) => void) {
        handled.push(listenUnrelated());
        callback(null, call.request);
      },
      stream: () => {},
    });
    const before = listenUnrelated();
    const bound = bind(server);
    const beside = listenUnrelated();
    const inCallback = new Promise<http2.Http2Server>((resolve) => {
      server.bindAsync("127.0.0.1:0", serverCredentials(false), () => resolve(listenUnrelated()));
    });
    const client = createClient(await bound, false, onTestFinished);
    await callUnary(client);
    const binding = bind(server, { address: "localhost:0" }); // and one during which the handler is called
    await callUnary(client);
    await binding;
    const unrelated = [before, beside, await inCallback, ...handled];
    expect(unrelated.map(isManaged)).toEqual([false, false, false, false, false]);
    expect(opened(lifecycle)).toBe(1);
  });

  test("leaves the program's own contexts as they are", async () => {
    const context = new AsyncLocalStorage<string>();
    const { server } = createManaged();
    const seen = await context.run("mine", () => {
      return new Promise((resolve) => {
        server.bindAsync("127.0.0.1:0", serverCredentials(false), () => resolve(context.getStore()));
      });
    });
    expect(seen).toBe("mine");
  });

  test("of two servers at once: each lifecycle has its own", async () => {
    const [one, other] = [createManaged(), createManaged()];
    const [port, otherPort] = await Promise.all([bind(one.server), bind(other.server)]);
    await connect(port);
    await connect(otherPort);
    expect([opened(one.lifecycle), opened(other.lifecycle)]).toEqual([1, 1]);
    await one.lifecycle.shutdown();
    expect(await callUnary(createClient(otherPort, false, onTestFinished))).toBe("hello");
  });

  test("fails once the shutdown has begun", async () => {
    const { server, lifecycle } = createManaged({ readinessDelayMs: 60_000 });
    const shutdown = lifecycle.shutdown();
    await expect(bind(server)).rejects.toThrow(
      /^cannot bind a port: the server is shutting down, its phase is notReady$/,
    );
    await Promise.all([shutdown, lifecycle.shutdown({ force: true })]);
    await expect(bind(server)).rejects.toThrow(/its phase is closed$/);
  });

  test("that is under way when the shutdown begins fails, and listens no more", async () => {
    const { server, lifecycle } = createManaged({ readinessDelayMs: 60_000 });
    const port = await freePort();
    const underWay = bind(server, { address: `127.0.0.1:${port}` });
    const shutdown = lifecycle.shutdown();
    await expect(underWay).rejects.toThrow(/shutting down/);
    await expect(connectRaw(port, false)).rejects.toThrow("ECONNREFUSED");
    await Promise.all([shutdown, lifecycle.shutdown({ force: true })]);
  });
});

describe("a bind leaves nothing behind", () => {
  const isWatching = (): boolean => hasSubscribers("tracing:net.server.listen:asyncStart");

  test("when it succeeds, fails, or throws", async () => {
    setLogVerbosity(logVerbosity.NONE);
    onTestFinished(() => setLogVerbosity(logVerbosity.ERROR));
    const { server } = createManaged();
    const bound = bind(server);
    expect(isWatching()).toBe(true);
    const port = await bound;
    expect(isWatching()).toBe(false);
    const other = createManaged();
    await expect(bind(other.server, { address: `127.0.0.1:${port}` })).rejects.toThrow(/EADDRINUSE/);
    expect(isWatching()).toBe(false);
    expect(() => server.bindAsync(5 as unknown as string, serverCredentials(false), () => {})).toThrow(TypeError);
    expect(isWatching()).toBe(false);
  });

  test("when it returns a promise", async () => {
    const nice = niceServer();
    manageGrpcServer(nice, { readinessDelayMs: 0 });
    onTestFinished(() => nice.forceShutdown());
    await nice.listen("127.0.0.1:0");
    expect(isWatching()).toBe(false);
    await expect(nice.listen("%%::")).rejects.toThrow();
    expect(isWatching()).toBe(false);
  });
});

test("bindAsync() without a callback throws as grpc-js's own", async () => {
  const bindAsync = (server: Server): unknown => Reflect.apply(server.bindAsync, server, ["127.0.0.1:0", credentials]);
  const credentials = serverCredentials(false);
  const { server } = createManaged();
  for (const each of [createServer(), server]) expect(() => bindAsync(each)).toThrow("callback must be a function");
});

test("of a path that is bound already says so, as without a lifecycle", async () => {
  const folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { server } = createManaged();
  const address = `unix:${join(folder, "socket")}`;
  const port = await bind(server, { address });
  expect(await bind(server, { address })).toBe(port);
});

test("two binds of one port that are under way when the shutdown begins both say why they fail", async () => {
  const { server, lifecycle } = createManaged({ readinessDelayMs: 60_000 });
  const address = `127.0.0.1:${await freePort()}`;
  const binds = Promise.allSettled([bind(server, { address }), bind(server, { address })]);
  const shutdown = lifecycle.shutdown();
  for (const outcome of await binds) {
    expect(outcome).toMatchObject({
      reason: { message: expect.stringMatching(/^cannot bind a port: .* shutting down/) },
    });
  }
  await Promise.all([shutdown, lifecycle.shutdown({ force: true })]);
});

/** In the shape of nice-grpc: a server of grpc-js is made by `listen()`. */
function niceServer() {
  const server = createServer();
  const calls: string[] = [];
  return {
    calls,
    server,
    listen: (address: string): Promise<number> => bind(server, { address }),
    async shutdown(): Promise<void> {
      calls.push("shutdown");
      await new Promise((resolve) => server.tryShutdown(resolve));
    },
    forceShutdown(): void {
      calls.push("forceShutdown");
      server.forceShutdown();
    },
  };
}

describe("other servers", () => {
  /** In the shape of NestJS: errors of `listen()` go to its callback. */
  function nestServer() {
    const server = createServer();
    const calls: string[] = [];
    let port = 0;
    return {
      calls,
      server,
      port: () => port,
      async listen(callback: (error?: unknown) => void): Promise<void> {
        try {
          port ||= await bind(server);
          callback();
        } catch (error) {
          callback(error);
        }
      },
      async close(): Promise<void> {
        calls.push("close");
        server.forceShutdown();
      },
      addHandler(): void {},
    };
  }

  test("nice-grpc's", async () => {
    const server = niceServer();
    const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
    const port = await server.listen("127.0.0.1:0");
    await connect(port);
    expect(opened(lifecycle)).toBe(1);
    lifecycle.onShutdown(() => void server.calls.push("hook"));
    await server.shutdown();
    expect([server.calls, lifecycle.phase]).toEqual([["shutdown", "hook"], "closed"]);
    await expect(server.listen("127.0.0.1:0")).rejects.toThrow(/shutting down/);
  });

  test("NestJS's", async () => {
    const server = nestServer();
    const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
    const listen = () => new Promise<unknown>((resolve) => void server.listen(resolve));
    expect(await listen()).toBeUndefined();
    await connect(server.port());
    expect(opened(lifecycle)).toBe(1);
    lifecycle.onShutdown(async () => {
      await server.close(); // as app.close() in a hook
      server.calls.push("hook");
    });
    await server.close();
    expect([server.calls, lifecycle.phase]).toEqual([["close", "close", "hook"], "closed"]);
    expect(await listen()).toMatchObject({ message: expect.stringMatching(/shutting down/) });
  });

  test("NestJS's that says it is bound, while the port that was is closing, fails to bind", async () => {
    const server = nestServer();
    const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
    onTestFinished(() => lifecycle.shutdown({ force: true }));
    const { streams } = holdRpcs(server.server);
    const listen = () => new Promise<unknown>((resolve) => void server.listen(resolve));
    await listen();
    openStream(createClient(server.port(), false, onTestFinished));
    await until("the stream", () => streams.length === 1);
    server.server.unbind(`127.0.0.1:${server.port()}`);
    expect(await listen()).toMatchObject({ message: expect.stringMatching(/^the server says that it is bound/) });
  });

  test("that say they are bound while no server of node:http2 listens fail to bind", async () => {
    const server = {
      bindAsync: (_: string, __: unknown, callback: (error: null, port: number) => void) => callback(null, 5000),
      tryShutdown: (callback: () => void) => callback(),
      forceShutdown() {},
    };
    const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
    await expect(bind(server as never)).rejects.toThrow(
      /^the server says that it is bound, but no server of node:http2/,
    );
    await lifecycle.shutdown();
    const nice = { ...niceServer(), listen: async () => 5000 };
    manageGrpcServer(nice);
    await expect(nice.listen()).rejects.toThrow(/^the server says that it is bound/);
  });

  test.each(["tcp", "unix"])("that say they are bound to what is not open any more fail to bind: %s", async (kind) => {
    const folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const address = kind === "tcp" ? `127.0.0.1:${await freePort()}` : `unix:${join(folder, "socket")}`;
    const nice = niceServer();
    const { listen } = nice;
    let port: Promise<number> | undefined;
    nice.listen = () => {
      port ??= listen(address);
      return port;
    };
    manageGrpcServer(nice, { readinessDelayMs: 0 });
    onTestFinished(() => nice.server.forceShutdown());
    expect(await nice.listen(address)).toBe(await nice.listen(address));
    nice.server.unbind(address);
    await new Promise(setImmediate); // its "close" has come by then
    await expect(nice.listen(address)).rejects.toThrow(/^the server says that it is bound/);
  });

  test("that begin to listen with others, of node:net and node:http: those are left alone", async () => {
    const nice = niceServer();
    const { listen } = nice;
    const others = [createTcpServer(), createHttpServer()];
    nice.listen = (address) => {
      for (const other of others) other.listen(0, "127.0.0.1");
      return listen(address);
    };
    const lifecycle = manageGrpcServer(nice, { readinessDelayMs: 0 });
    onTestFinished(() => {
      for (const other of others) other.close();
    });
    await connect(await nice.listen("127.0.0.1:0"));
    await lifecycle.shutdown();
    expect([opened(lifecycle), ...others.map(({ listening }) => listening)]).toEqual([1, true, true]);
  });

  test("twice, or what is none, is refused", () => {
    const server = createServer();
    manageGrpcServer(server);
    expect(() => manageGrpcServer(server)).toThrow(/^this server is managed already/);
    server.forceShutdown();
    for (const none of [http2.createServer(), createTcpServer(), {}, null, "server", { listen() {}, close() {} }]) {
      expect(() => manageGrpcServer(none as never)).toThrow(TypeError);
      expect(() => manageGrpcServer(none as never)).toThrow(
        /^cannot manage \w+: give manageGrpcServer\(\) a Server of/,
      );
    }
  });
});
