import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import type { Server } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { until } from "../../../server/test-helpers/raw-client.ts";
import {
  bind,
  callUnary,
  createClient,
  createServer,
  holdRpcs,
  manage,
  openStream,
  serverCredentials,
} from "../../test-helpers/managed-server.ts";
import { manageGrpcServer } from "./manage-grpc-server.ts";

/** As nice-grpc has them. */
const inShapeOfNice = (server: Server) => ({
  listen: (address: string): Promise<number> => bind(server, { address }),
  shutdown: (): Promise<void> =>
    new Promise((resolve, reject) => {
      server.tryShutdown((error) => (error ? reject(error) : resolve()));
    }),
  forceShutdown: (): void => server.forceShutdown(),
});

function warnings() {
  const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
  onTestFinished(() => emitWarning.mockRestore());
  return () => emitWarning.mock.calls.map(([message, options]) => [message, (options as { code: string }).code]);
}

const unmanaged = [expect.stringMatching(/manageGrpcServer\(\) came after bindAsync\(\)/), "EVENKEEL_UNMANAGED"];

async function injecting(server: Server): Promise<number> {
  const injector = server.createConnectionInjector(serverCredentials(false));
  const front = createTcpServer((socket) => injector.injectConnection(socket)).listen(0, "127.0.0.1");
  onTestFinished(() => void front.close());
  await once(front, "listening");
  return (front.address() as AddressInfo).port;
}

describe("RPCs on connections that the lifecycle has not seen finish in a shutdown, with a warning", () => {
  test.each<[string, (server: Server) => Promise<{ port: number; end: () => Promise<unknown> }>]>([
    [
      "shutdown() of a server that is managed after bindAsync()",
      async (server) => {
        const port = await bind(server);
        const lifecycle = manage(server);
        return { port, end: () => lifecycle.shutdown() };
      },
    ],
    [
      "tryShutdown() of one that is managed while the bind is under way",
      async (server) => {
        const bound = bind(server);
        manage(server);
        return { port: await bound, end: () => new Promise((resolve) => server.tryShutdown(resolve)) };
      },
    ],
    [
      "shutdown() in the shape of nice-grpc",
      async (server) => {
        const nice = inShapeOfNice(server);
        const port = await nice.listen("127.0.0.1:0");
        manageGrpcServer(nice, { readinessDelayMs: 0 });
        return { port, end: () => nice.shutdown() };
      },
    ],
    [
      "createConnectionInjector()",
      async (server) => {
        const lifecycle = manage(server);
        return { port: await injecting(server), end: () => lifecycle.shutdown() };
      },
    ],
  ])("%s", async (_, prepare) => {
    const warned = warnings();
    const server = createServer();
    onTestFinished(() => server.forceShutdown());
    const { unary } = holdRpcs(server);
    const { port, end } = await prepare(server);
    const answer = callUnary(createClient(port, false, onTestFinished));
    answer.catch(() => {});
    await until("the RPC", () => unary.length === 1);
    const ended = end();
    await until("the warning", () => warned().length > 0);
    expect(warned()).toEqual([unmanaged]);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(isOver).toBe(false);
    unary[0]?.();
    expect(await answer).toBe("hello");
    expect(await ended).toBeUndefined();
  });

  test("but no longer than for what is left of drainTimeoutMs, as it is when the draining begins", async () => {
    warnings();
    const server = createServer();
    const { streams } = holdRpcs(server);
    const port = await bind(server);
    const lifecycle = manage(server, { drainTimeoutMs: Number.POSITIVE_INFINITY });
    lifecycle.update({ drainTimeoutMs: 20 });
    lifecycle.update({ maxConnectionAgeMs: 60_000 });
    const stream = openStream(createClient(port, false, onTestFinished));
    await until("the stream", () => streams.length === 1);
    await lifecycle.shutdown();
    expect(await stream.code).not.toBe(0);
  });

  test.each<[string, (server: Server, lifecycle: ReturnType<typeof manage>) => unknown]>([
    ["forceShutdown()", (server) => server.forceShutdown()],
    ["shutdown({ force: true })", (_, lifecycle) => lifecycle.shutdown({ force: true })],
  ])("until %s", async (_, force) => {
    const warned = warnings();
    const server = createServer();
    const { streams } = holdRpcs(server);
    const port = await bind(server);
    const lifecycle = manage(server, { drainTimeoutMs: Number.POSITIVE_INFINITY });
    const stream = openStream(createClient(port, false, onTestFinished));
    await until("the stream", () => streams.length === 1);
    const ended = lifecycle.shutdown();
    await until("the own end", () => warned().length === 1);
    void force(server, lifecycle);
    expect(await stream.code).not.toBe(0);
    await ended;
  });
});

test("a shutdown that is forced from its beginning waits for none of them", async () => {
  const warned = warnings();
  const server = createServer();
  const { streams } = holdRpcs(server);
  const port = await bind(server);
  const lifecycle = manage(server, { drainTimeoutMs: Number.POSITIVE_INFINITY });
  const stream = openStream(createClient(port, false, onTestFinished));
  await until("the stream", () => streams.length === 1);
  await lifecycle.shutdown({ force: true });
  expect(await stream.code).not.toBe(0);
  expect(warned()).toEqual([]);
});

describe("no warning comes", () => {
  test.each<[string, () => Promise<unknown>]>([
    ["from a server that was never bound", () => manage(createServer()).shutdown()],
    [
      "nor in the shape of nice-grpc",
      () => {
        const nice = { ...inShapeOfNice(createServer()), shutdown: async () => {} };
        return manageGrpcServer(nice, { readinessDelayMs: 0 }).shutdown();
      },
    ],
    [
      "from one that is bound, with a connection",
      async () => {
        const server = createServer();
        const lifecycle = manage(server);
        await callUnary(createClient(await bind(server), false, onTestFinished));
        await lifecycle.shutdown();
      },
    ],
  ])("%s", async (_, run) => {
    const warned = warnings();
    await run();
    await new Promise(setImmediate); // it would have come by then
    expect(warned()).toEqual([]);
  });
});

test("an error of the server's own shutdown() fails the lifecycle's, and the server is forced", async () => {
  const log: string[] = [];
  const server = {
    listen: async () => 1,
    shutdown: () => Promise.reject(new Error("no end")),
    forceShutdown: () => void log.push("forced"),
  };
  const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
  lifecycle.onShutdown(() => void log.push("hook"));
  const done = lifecycle.shutdown();
  await expect(Promise.all([done, lifecycle.shutdown()])).rejects.toMatchObject({ errors: [{ message: "no end" }] });
  expect(log).toEqual(["forced", "hook"]);
});
