import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ServerUnaryCall } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { goawaysOf } from "../../../server/test-helpers/goaways.ts";
import { connectRaw, noticeLastStream, type RawClient, until } from "../../../server/test-helpers/raw-client.ts";
import {
  bind,
  callUnary,
  createClient,
  createManaged,
  createServer,
  testService,
} from "../../test-helpers/managed-server.ts";
import { manageGrpcServer } from "./manage-grpc-server.ts";

async function connect(port: number, secure = false): Promise<RawClient> {
  const client = await connectRaw(port, secure);
  onTestFinished(() => client.end());
  client.begin();
  await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
  return client;
}

describe.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("a managed grpc-js server over $name", ({ secure }) => {
  test("loses no RPC of a stock client while its connections reach their maximum age", async () => {
    const { server, lifecycle } = createManaged({ maxConnectionAgeMs: 100 });
    const client = createClient(await bind(server, { secure }), secure, onTestFinished);
    const failures: unknown[] = [];
    let answered = 0;
    const run = async (): Promise<void> => {
      while (lifecycle.snapshot().totals.retired < 5 && answered < 50_000) {
        await callUnary(client).then(
          () => answered++,
          (error: unknown) => failures.push(error),
        );
      }
    };
    await Promise.all(Array.from({ length: 16 }, run));
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(16);
    expect(lifecycle.snapshot().totals.retired).toBeGreaterThanOrEqual(5);
  });

  test("retires in two phases, and serves what comes between them", async () => {
    const { server, lifecycle } = createManaged();
    const raw = await connect(await bind(server, { secure }), secure);
    raw.autoAck = false;
    lifecycle.retireConnections();
    await until("the PING", () => raw.pings().length === 1);
    const stream = raw.request("/");
    for (const ping of raw.pings()) raw.ack(ping);
    await until("the final GOAWAY", () => raw.of("GOAWAY").length >= 2);
    await until("the end", () => raw.ended);
    expect(goawaysOf(raw)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${stream}`]);
    expect(raw.isComplete(stream)).toBe(true);
  });

  test("knows its clients: address and certificate", async () => {
    const { server } = createManaged();
    let seen: unknown;
    server.removeService(testService);
    server.addService(testService, {
      unary(call: ServerUnaryCall<Buffer, Buffer>, callback: (error: null, response: Buffer) => void) {
        const { transportSecurityType, sslPeerCertificate } = call.getAuthContext();
        seen = [call.getPeer().split(":")[0], transportSecurityType, sslPeerCertificate?.subject.CN];
        callback(null, call.request);
      },
      stream: () => {},
    });
    await callUnary(createClient(await bind(server, { secure, mutual: secure }), secure, onTestFinished));
    expect(seen).toEqual(["127.0.0.1", ...(secure ? ["ssl", "localhost"] : [undefined, undefined])]);
  });
});

describe("the snapshot", () => {
  test("counts open streams as RPCs", async () => {
    const { server, lifecycle } = createManaged();
    const client = createClient(await bind(server), false, onTestFinished);
    const { path, requestSerialize, responseDeserialize } = testService.stream;
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, Buffer.of());
    call.on("error", () => {});
    await until("the RPC", () => lifecycle.snapshot().rpcsInFlight === 1);
    call.cancel();
    await until("its end", () => lifecycle.snapshot().rpcsInFlight === 0);
    expect(lifecycle.snapshot()).toMatchObject({ phase: "serving", totals: { opened: 1, streams: 1 } });
  });
});

describe("limits", () => {
  test("change while it runs", async () => {
    const { server, lifecycle } = createManaged();
    const client = await connect(await bind(server));
    lifecycle.update({ maxConnectionAgeMs: 1 });
    await until("the end of the connection", () => client.ended);
    expect(() => lifecycle.update({ maxStreamAgeMs: 1 } as object)).toThrow(/^maxStreamAgeMs: no option for gRPC/);
    expect(() => lifecycle.update({ maxConnectionAgeMs: 0 })).toThrow(RangeError);
  });
});

test.each([
  [{ maxAge: 1 }, TypeError, /no option maxAge/],
  [{ maxStreamAgeMs: 1 }, TypeError, /^maxStreamAgeMs: no option for gRPC servers/],
  [{ drainTimeoutMs: -1 }, RangeError, /^drainTimeoutMs must be from 0/],
  [{ health: {} }, TypeError, /^health.implementation: expected an object with setStatus/],
  [{ health: { implementation: { setStatus() {} }, services: "a" } }, TypeError, /^health.services: expected an array/],
  [{ health: { implementation: { setStatus() {} }, service: [] } }, TypeError, /^service: no option of health/],
  [null, TypeError, /^manageGrpcServer: expected an object of options, got null/],
])("refuses the options %j, and leaves the server alone", (options, kind, message) => {
  const server = createServer();
  const manage = () => manageGrpcServer(server, options as object);
  expect(manage).toThrow(kind);
  expect(manage).toThrow(message);
  expect(Object.hasOwn(server, "bindAsync")).toBe(false);
});

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends a process with code 0, exit or not",
  async (signal) => {
    const program = fileURLToPath(new URL("../../test-helpers/programs/served.ts", import.meta.url));
    for (const exit of [true, false]) {
      const child = spawn(process.execPath, [program, JSON.stringify({ readinessDelayMs: 0, exit })], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      const exited = once(child, "exit");
      const lines: string[] = [];
      child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
      await until("the port", () => lines.length > 0, 10_000);
      const client = await connect(Number(lines.shift()));
      child.kill(signal);
      expect(await exited).toEqual([0, null]);
      expect(lines).toEqual(["notReady", "draining", "hook", "closed"]);
      expect(client.of("GOAWAY").length).toBeGreaterThanOrEqual(2);
    }
  },
  20_000,
);
