import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Client, Code, createClient } from "@connectrpc/connect";
import { type Events, type Policy, staticEndpoints, subscribe } from "@evenkeel/core";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { type CheckedServer, type CheckedServerOptions, startCheckedServer } from "../test-helpers/checked-server.ts";
import { failureOf } from "../test-helpers/failure.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { createConnectTransport } from "./connect-transport.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import { createGrpcWebTransport } from "./grpc-web-transport.ts";
import type { TransportOptions } from "./options.ts";
import type { BalancedTransport } from "./transport.ts";

vi.setConfig({ testTimeout: 20_000 });

const watch = { service: "shop.OrderService" };
const poll = { path: "/readyz", intervalMs: 20 };

async function startServer(pod: string, options?: CheckedServerOptions): Promise<CheckedServer> {
  const server = await startCheckedServer(pod, options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

function clientOf(
  servers: readonly CheckedServer[],
  options: Partial<TransportOptions>,
  create: (options: TransportOptions) => BalancedTransport = createGrpcTransport,
): { client: Client<typeof DemoService>; transport: BalancedTransport } {
  const transport = create({
    baseUrl: "http://orders.test",
    policy: inTurn,
    resolver: staticEndpoints(servers.map(({ address }) => address)),
    ...options,
  } as TransportOptions);
  onTestFinished(() => transport.destroy());
  return { client: createClient(DemoService, transport), transport };
}

/** The states of the endpoints, in their order, once they are so. */
async function expectStates(transport: BalancedTransport, ...states: readonly string[]): Promise<void> {
  transport.channel.connect();
  const seen = (): readonly string[] => transport.channel.snapshot().endpoints.map(({ state }) => state);
  await expect.poll(seen, { interval: 1, timeout: 15_000 }).toEqual(states);
}

function collect<Name extends keyof Events>(name: Name): Events[Name][] {
  const events: Events[Name][] = [];
  onTestFinished(subscribe(name, (event) => events.push(event)));
  return events;
}

/** Callers that send one RPC after the other. */
class Load {
  readonly pods: string[] = [];
  readonly failures: unknown[] = [];
  #isOver = false;
  readonly #callers: Promise<void>[];

  constructor(client: Client<typeof DemoService>, callers = 8) {
    this.#callers = Array.from({ length: callers }, async () => {
      while (!this.#isOver) {
        await client.charge({}).then(
          ({ pod }) => this.pods.push(pod),
          (error) => this.failures.push(error),
        );
      }
    });
  }

  /** Resolves when so many more RPCs have ended. */
  async more(rpcs: number): Promise<readonly string[]> {
    const start = this.pods.length;
    const count = (): number => this.pods.length + this.failures.length - start;
    await expect.poll(count, { interval: 1, timeout: 15_000 }).toBeGreaterThan(rpcs);
    return this.pods.slice(start);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#callers);
  }
}

describe.each([
  { name: "connect", create: createConnectTransport },
  { name: "grpc", create: createGrpcTransport },
  { name: "grpc-web", create: createGrpcWebTransport },
])("a watched service, over $name", ({ create }) => {
  it("takes RPCs once it is SERVING", async () => {
    const server = await startServer("pod-1");
    const { client, transport } = clientOf([server], { healthCheck: watch, waitForReady: true }, create);
    const answer = client.ping({});
    await expectStates(transport, "transientFailure");
    expect(server.requests).toHaveLength(0);
    server.registry.set(watch.service, "serving");
    expect((await answer).pod).toBe("pod-1");
  });
});

describe("a watched service", () => {
  it("that turns bad on one pod of two gets no more RPCs there, from that event on, and loses none", async () => {
    const servers = [await startServer("pod-1"), await startServer("pod-2")];
    for (const { registry } of servers) registry.set(watch.service, "serving");
    const [bad] = servers as [CheckedServer];
    const picks: string[] = [];
    const recording: Policy = (_previous, candidates, context) => {
      const picker = inTurn(undefined, candidates, context);
      return {
        pick(info) {
          const result = picker.pick(info);
          if (result.kind === "complete") picks.push(result.candidate.endpoint.key);
          return result;
        },
      };
    };
    const { client, transport } = clientOf(servers, { healthCheck: watch, policy: recording });
    await expectStates(transport, "ready", "ready");
    const load = new Load(client);
    expect(new Set(await load.more(100))).toEqual(new Set(["pod-1", "pod-2"]));
    let picksBefore = Number.NaN;
    const stop = subscribe("connection.health", ({ endpoint, state }) => {
      if (endpoint.key === bad.address && state === "unhealthy") picksBefore = picks.length;
    });
    onTestFinished(stop);
    bad.registry.set(watch.service, "notServing");
    await expect.poll(() => picksBefore, { interval: 1 }).not.toBeNaN();
    await load.more(100);
    expect(new Set(picks.slice(picksBefore))).toEqual(new Set([servers[1]?.address]));
    expect(transport.channel.snapshot().endpoints[0]).toMatchObject({
      state: "transientFailure",
      connection: { health: { state: "unhealthy", reason: 'service "shop.OrderService" is NOT_SERVING' } },
    });
    bad.registry.set(watch.service, "serving");
    await expectStates(transport, "ready", "ready");
    expect(new Set(await load.more(100))).toEqual(new Set(["pod-1", "pod-2"]));
    await load.end();
    expect(load.failures).toEqual([]);
    expect([...servers[0]!.sockets, ...servers[1]!.sockets]).toHaveLength(2); // never dialled anew
  });

  it("that is bad everywhere fails RPCs at once, with the reason", async () => {
    const servers = [await startServer("pod-1"), await startServer("pod-2")];
    servers[0]?.registry.set(watch.service, "notServing");
    const { client, transport } = clientOf(servers, { healthCheck: watch });
    await expectStates(transport, "transientFailure", "transientFailure");
    const error = await failureOf(client.ping({}));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toMatch(
      /^http:\/\/orders\.test: no connection to any of 127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+ is healthy; last error: connection \d to 127\.0\.0\.1:\d+ is unhealthy: service "shop\.OrderService" is (NOT_SERVING|SERVICE_UNKNOWN)$/,
    );
  });

  it("goes on with RPCs that are under way when it turns bad", async () => {
    const server = await startServer("pod-1");
    server.registry.set(watch.service, "serving");
    const { client, transport } = clientOf([server], { healthCheck: watch });
    const numbers: number[] = [];
    for await (const { number } of client.count({ to: 20, work: { delayMs: 1 } })) {
      numbers.push(number);
      if (number === 5) server.registry.set(watch.service, "notServing");
    }
    expect(numbers).toHaveLength(20);
    expect(transport.channel.state).toBe("transientFailure");
  });

  it("that the server does not have counts as healthy, which is told once", async () => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => emitWarning.mockRestore());
    const warnings = collect("warning");
    const servers = [
      await startServer("pod-1", { hasHealth: false }),
      await startServer("pod-2", { hasHealth: false }),
    ];
    const { client, transport } = clientOf(servers, { healthCheck: watch });
    await expectStates(transport, "ready", "ready");
    expect([(await client.ping({})).pod, (await client.ping({})).pod].toSorted()).toEqual(["pod-1", "pod-2"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ target: "http://orders.test", message: expect.stringContaining("HTTP 404") });
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });

  it("whose watch is frozen makes no RPC wait while another pod is healthy, and is taken back when it answers", async () => {
    const held: (() => void)[] = [];
    const isWatch = ({ url }: { url?: string | undefined }) => url === "/grpc.health.v1.Health/Watch";
    const frozen = await startServer("pod-1", {
      handle(request, response) {
        if (!isWatch(request)) return false;
        held.push(() => {
          response.setHeader("content-type", "application/grpc+proto");
          response.write(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
        });
        return true;
      },
    });
    const other = await startServer("pod-2");
    other.registry.set(watch.service, "serving");
    const healthCheck = { ...watch, timeoutMs: 50 };
    const { client, transport } = clientOf([frozen, other], { healthCheck });
    expect((await client.ping({})).pod).toBe("pod-2");
    await expectStates(transport, "transientFailure", "ready");
    expect(transport.channel.snapshot().endpoints[0]?.lastError).toContain("brought no answer in 50 ms");
    expect(held).toHaveLength(1);
    held[0]?.();
    await expectStates(transport, "ready", "ready");
  });

  it("on a pod that drains gets RPCs elsewhere, loses none, and does not hold the drain", async () => {
    const servers = [await startServer("pod-1"), await startServer("pod-2")];
    for (const { registry } of servers) registry.set(watch.service, "serving");
    const { client, transport } = clientOf(servers, { healthCheck: watch });
    await expectStates(transport, "ready", "ready");
    const load = new Load(client);
    await load.more(50);
    await servers[0]?.lifecycle.shutdown(); // whose drain may take any time
    await load.more(50);
    await load.end();
    expect(load.failures).toEqual([]);
  });

  it("on connections that are retired again and again loses no RPC", async () => {
    const servers = [await startServer("pod-1"), await startServer("pod-2")];
    for (const { registry, lifecycle } of servers) {
      registry.set(watch.service, "serving");
      lifecycle.update({ maxConnectionAgeMs: 100 });
    }
    const goaways = collect("connection.goaway");
    const { client, transport } = clientOf(servers, { healthCheck: watch });
    const load = new Load(client);
    await expect.poll(() => goaways.length, { interval: 1, timeout: 15_000 }).toBeGreaterThan(10);
    await load.end();
    expect(load.failures).toEqual([]);
    await transport.close();
    for (const { sockets } of servers) await expect.poll(() => sockets.size, { interval: 1 }).toBe(0);
  });

  it("is not watched any more by a transport that was closed, or idle for long enough", async () => {
    const server = await startServer("pod-1");
    server.registry.set(watch.service, "serving");
    const closing = clientOf([server], { healthCheck: watch });
    const idle = clientOf([server], { healthCheck: watch, idleConnectionTimeoutMs: 50 });
    for (const { client } of [closing, idle]) await client.ping({});
    expect(server.lifecycle.snapshot().rpcsInFlight).toBeGreaterThan(0);
    await closing.transport.close();
    await expect.poll(() => idle.transport.channel.state, { interval: 5, timeout: 15_000 }).toBe("idle");
    await expect.poll(() => server.sockets.size, { interval: 1 }).toBe(0);
    await expect.poll(() => server.lifecycle.snapshot().rpcsInFlight, { interval: 1 }).toBe(0);
  });
});

describe.each(["1.1", "2"] as const)("a polled path over HTTP/%s", (httpVersion) => {
  it("decides which pods get RPCs, and loses none", async () => {
    const status = new Map([
      ["pod-1", 200],
      ["pod-2", 503],
    ]);
    const start = (pod: string): Promise<CheckedServer> =>
      startServer(pod, {
        httpVersion,
        handle(request, response) {
          if (request.url !== poll.path || request.method !== "GET") return false;
          response.writeHead(status.get(pod) ?? 0);
          response.end(status.get(pod) === 200 ? "ok" : "not yet");
          return true;
        },
      });
    const servers = [await start("pod-1"), await start("pod-2")];
    const { client, transport } = clientOf(servers, { healthCheck: poll, httpVersion }, createConnectTransport);
    await expectStates(transport, "ready", "transientFailure");
    const load = new Load(client);
    expect(new Set(await load.more(50))).toEqual(new Set(["pod-1"]));
    status.set("pod-2", 204);
    await expectStates(transport, "ready", "ready");
    expect(new Set(await load.more(50))).toEqual(new Set(["pod-1", "pod-2"]));
    status.set("pod-1", 500);
    await expectStates(transport, "transientFailure", "ready");
    await load.more(50);
    expect(new Set(await load.more(50))).toEqual(new Set(["pod-2"]));
    await load.end();
    expect(load.failures).toEqual([]);
    const { connection } = transport.channel.snapshot().endpoints[0] ?? {};
    expect(connection).toMatchObject({ inFlight: 0, health: { reason: "GET /readyz: HTTP 500" } });
  });
});

it("a process exits after its last RPC, though its connections are watched, or wait for the answer to a poll", async () => {
  /** Answers the first poll, and none after it. */
  const polls: Record<string, number> = {};
  const start = (pod: string, httpVersion: "1.1" | "2"): Promise<CheckedServer> =>
    startServer(pod, {
      httpVersion,
      handle({ url }, response) {
        if (url !== poll.path) return false;
        polls[pod] = (polls[pod] ?? 0) + 1;
        if (polls[pod] === 1) response.end();
        return true;
      },
    });
  const http2 = await start("pod-1", "2");
  const http1 = await start("pod-2", "1.1");
  const script = fileURLToPath(new URL("../test-helpers/health-idle.ts", import.meta.url));
  const run = promisify(execFile);
  const { stdout, stderr } = await run(process.execPath, [script, http2.address, http1.address], { timeout: 20_000 });
  expect({ stdout, stderr }).toEqual({ stdout: "pod-1\npod-1\npod-2\n", stderr: "" });
  expect(polls).toEqual({ "pod-1": 2, "pod-2": 2 });
});
