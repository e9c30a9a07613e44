import { Server } from "@grpc/grpc-js";
import { HealthImplementation, service as healthService, type ServingStatus } from "grpc-health-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { goawaysOf } from "../../../server/test-helpers/goaways.ts";
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
} from "../../test-helpers/managed-server.ts";
import { manageGrpcServer } from "./manage-grpc-server.ts";

const tryShutdown = (server: Server): Promise<Error | undefined> =>
  new Promise((resolve) => server.tryShutdown(resolve));

describe("a shutdown", () => {
  test.each<[string, (managed: ReturnType<typeof createManaged>) => Promise<unknown>]>([
    ["shutdown()", ({ lifecycle }) => lifecycle.shutdown()],
    ["tryShutdown()", ({ server }) => tryShutdown(server)],
    ["both", ({ server, lifecycle }) => Promise.all([tryShutdown(server), lifecycle.shutdown(), tryShutdown(server)])],
    ["await using", ({ lifecycle }) => lifecycle[Symbol.asyncDispose]()],
  ])("by %s: in order, in two phases, and streams finish", async (_, end) => {
    const managed = createManaged();
    const { server, lifecycle } = managed;
    const { streams } = holdRpcs(server);
    const port = await bind(server);
    const log: string[] = [];
    lifecycle.onPhase((phase) => log.push(phase));
    lifecycle.onShutdown(async () => {
      log.push(`hook, connections ${lifecycle.snapshot().connections.length}`);
      await tryShutdown(server); // it has ended, so this does not wait for the hook
    });
    lifecycle.draining.addEventListener("abort", () => log.push("signal"));
    const stream = openStream(createClient(port, false, onTestFinished));
    const raw = await connectRaw(port, false);
    onTestFinished(() => raw.end());
    raw.begin();
    await until("the stream", () => streams.length === 1 && raw.of("SETTINGS").length >= 2);
    const ended = end(managed);
    await until("the final GOAWAY", () => raw.ended);
    expect(goawaysOf(raw)).toEqual([`GOAWAY ${2 ** 31 - 1}`, "PING", "GOAWAY 0"]);
    expect(lifecycle.phase).toBe("draining");
    streams[0]?.write(Buffer.from("finished"));
    streams[0]?.end();
    await ended;
    expect([stream.messages, await stream.code]).toEqual([["begun", "finished"], 0]);
    expect(log).toEqual(["notReady", "draining", "signal", "hook, connections 0", "closed"]);
    await tryShutdown(server);
    await lifecycle.shutdown();
  });

  test("that outlasts its drainTimeoutMs cuts what is left, and ends grpc-js's server", async () => {
    const { server, lifecycle } = createManaged({ drainTimeoutMs: 20 });
    const { streams } = holdRpcs(server);
    const stream = openStream(createClient(await bind(server), false, onTestFinished));
    await until("the stream", () => streams.length === 1);
    await lifecycle.shutdown();
    expect(await stream.code).not.toBe(0);
    const bindAsync = Server.prototype.bindAsync.bind(server);
    expect(() => bindAsync("127.0.0.1:0", serverCredentials(false), () => {})).toThrow(
      "bindAsync called after shutdown",
    );
  });

  test.each<[string, (managed: ReturnType<typeof createManaged>) => void]>([
    ["forceShutdown()", ({ server }) => server.forceShutdown()],
    ["shutdown({ force: true })", ({ lifecycle }) => void lifecycle.shutdown({ force: true })],
    [
      "tryShutdown(), then forceShutdown()",
      ({ server }) => {
        server.tryShutdown(() => {});
        server.forceShutdown();
      },
    ],
  ])("by %s is forced", async (_, end) => {
    const managed = createManaged({ readinessDelayMs: 60_000, drainTimeoutMs: 60_000 });
    const { streams } = holdRpcs(managed.server);
    const stream = openStream(createClient(await bind(managed.server), false, onTestFinished));
    await until("the stream", () => streams.length === 1);
    let hooks = 0;
    managed.lifecycle.onShutdown(() => void hooks++);
    end(managed);
    expect(await stream.code).not.toBe(0);
    await managed.lifecycle.shutdown();
    expect([managed.lifecycle.phase, hooks]).toEqual(["closed", 1]);
  });

  test("by forceShutdown() has stopped listening when that returns", async () => {
    const { server } = createManaged();
    const port = await bind(server);
    server.forceShutdown();
    await expect(connectRaw(port, false)).rejects.toThrow("ECONNREFUSED");
  });

  test("of a server that never listened does not wait for anybody to learn of it", async () => {
    const { server, lifecycle } = createManaged({ readinessDelayMs: 60_000 });
    expect(await tryShutdown(server)).toBeUndefined();
    expect(lifecycle.phase).toBe("closed");
  });

  test("tells the error of a hook to tryShutdown() as well", async () => {
    const { server, lifecycle } = createManaged();
    await bind(server);
    lifecycle.onShutdown(() => Promise.reject(new Error("hook failed")));
    expect(await tryShutdown(server)).toMatchObject({ errors: [{ message: "hook failed" }] });
  });
});

describe("forceShutdown()", () => {
  test("ends grpc-js's server once", async () => {
    const server = createServer();
    const calls: string[] = [];
    for (const name of ["forceShutdown", "tryShutdown"] as const) {
      const own: (...args: never) => void = server[name];
      server[name] = (...args: unknown[]) => {
        calls.push(name);
        Reflect.apply(own, server, args);
      };
    }
    const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
    await bind(server);
    server.forceShutdown();
    await lifecycle.shutdown();
    expect(calls).toEqual(["forceShutdown"]);
  });

  test("leaves the error of a hook to those who call shutdown()", async () => {
    const rejections: unknown[] = [];
    const collect = (reason: unknown): void => void rejections.push(reason);
    process.prependListener("unhandledRejection", collect);
    onTestFinished(() => void process.off("unhandledRejection", collect));
    const { server, lifecycle } = createManaged();
    await bind(server);
    lifecycle.onShutdown(() => Promise.reject(new Error("hook failed")));
    server.forceShutdown();
    await until("the end", () => lifecycle.phase === "closed");
    await new Promise(setImmediate); // unhandled rejections are told by then
    expect(rejections).toEqual([]);
    await expect(lifecycle.shutdown()).rejects.toMatchObject({ errors: [{ message: "hook failed" }] });
  });
});

describe("health", () => {
  const watch = healthService["watch"] ?? healthService["Watch"];

  function openWatch(port: number, serviceName: string) {
    if (watch === undefined) throw new Error("grpc-health-check has no Watch");
    const client = createClient(port, false, onTestFinished);
    const statuses: ServingStatus[] = [];
    const call = client.makeServerStreamRequest(watch.path, watch.requestSerialize, watch.responseDeserialize, {
      service: serviceName,
    });
    call.on("data", ({ status }: { status: ServingStatus }) => statuses.push(status));
    call.on("error", () => {});
    const code = new Promise<number>((resolve) => call.on("status", (status) => resolve(status.code)));
    return { statuses, code };
  }

  test("turns NOT_SERVING first of all, stays so, and its watches hold up nothing", async () => {
    const implementation = new HealthImplementation({ "": "SERVING", orders: "SERVING" });
    const { server, lifecycle } = createManaged({
      readinessDelayMs: 50,
      drainTimeoutMs: Number.POSITIVE_INFINITY,
      health: { implementation },
    });
    implementation.addToServer(server);
    const port = await bind(server);
    const [whole, orders] = [openWatch(port, ""), openWatch(port, "orders")];
    await until("the first status", () => whole.statuses.length + orders.statuses.length === 2);
    implementation.setStatus("orders", "UNKNOWN");
    await until("the second status", () => orders.statuses.length === 2);
    lifecycle.onPhase((phase) => {
      if (phase === "notReady") implementation.setStatus("orders", "SERVING");
    });
    const shutdown = lifecycle.shutdown();
    await until("the last status", () => whole.statuses.length === 2);
    expect(lifecycle.phase).toBe("notReady");
    expect(await callUnary(createClient(port, false, onTestFinished))).toBe("hello");
    await shutdown;
    expect(whole.statuses).toEqual(["SERVING", "NOT_SERVING"]);
    expect(orders.statuses).toEqual(["SERVING", "UNKNOWN", "NOT_SERVING", "NOT_SERVING"]);
    expect(await Promise.all([whole.code, orders.code])).toEqual([1, 1]);
  });

  test("names the services that are told of", async () => {
    const told: unknown[] = [];
    const implementation = { setStatus: (...status: unknown[]) => void told.push(status) };
    const { lifecycle } = createManaged({ health: { implementation, services: ["a", "b"] } });
    await lifecycle.shutdown();
    expect(told).toEqual([
      ["a", "NOT_SERVING"],
      ["b", "NOT_SERVING"],
    ]);
  });

  test("that throws is told of all services, and fails the shutdown at its end alone", async () => {
    const told: string[] = [];
    const implementation = {
      setStatus(service: string) {
        told.push(service);
        throw new Error(`no ${service}`);
      },
    };
    const { server, lifecycle } = createManaged({ health: { implementation, services: ["a", "b"] } });
    await bind(server);
    await expect(lifecycle.shutdown()).rejects.toMatchObject({
      errors: [{ errors: [{ message: "no a" }, { message: "no b" }] }],
    });
    expect([told, lifecycle.phase]).toEqual([["a", "b"], "closed"]);
  });
});
