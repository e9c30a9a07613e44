import { Agent, createServer, type IncomingMessage } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { Server } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { staticEndpoints } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { ChatResponseSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { demoRoutes } from "../../test-helpers/demo-server.ts";
import { listen } from "../../test-helpers/http1.ts";
import { inTurn } from "../../test-helpers/policies.ts";
import { createConnectTransport } from "../connect-transport.ts";
import { createGrpcWebTransport } from "../grpc-web-transport.ts";
import type { BalancedTransport } from "../transport.ts";
import type { Http1NodeOptions } from "./node-options.ts";

interface Pod {
  readonly port: number;
  /** The heads of the requests that came in. */
  readonly requests: IncomingMessage[];
  sockets: number;
  /** As the end of its process: nobody listens, and every connection is reset. */
  kill(): void;
}

async function startPod(name: string): Promise<Pod> {
  const requests: IncomingMessage[] = [];
  const sockets = new Set<{ resetAndDestroy(): void }>();
  const handler = connectNodeAdapter({ routes: (router) => demoRoutes(router, name, []) });
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response);
  });
  const pod: Pod = {
    port: await listen(server),
    requests,
    sockets: 0,
    kill() {
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
  server.on("connection", (socket) => {
    pod.sockets++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  return pod;
}

const creators = [
  ["connect", createConnectTransport],
  ["grpc-web", createGrpcWebTransport],
] as const;

type Create = (typeof creators)[number][1];

function clientOf(
  createTransport: Create,
  ports: readonly number[],
  nodeOptions: Http1NodeOptions = {},
): { client: Client<typeof DemoService>; transport: BalancedTransport } {
  const transport = createTransport({
    baseUrl: "http://orders.test:8080",
    httpVersion: "1.1",
    resolver: staticEndpoints(ports.map((port) => `127.0.0.1:${port}`)),
    policy: inTurn,
    nodeOptions,
  });
  onTestFinished(() => transport.destroy());
  return { client: createClient(DemoService, transport), transport };
}

async function connected({ channel }: BalancedTransport): Promise<void> {
  channel.connect();
  await expect.poll(() => channel.snapshot().endpoints.every(({ state }) => state === "ready")).toBe(true);
}

async function* numbers(to: number): AsyncGenerator<{ number: number }> {
  for (let number = 1; number <= to; number++) {
    await sleep(1);
    yield { number };
  }
}

function envelope(flags: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}

async function* texts(): AsyncGenerator<{ text: string }> {
  yield { text: "a" };
  yield { text: "b" };
}

describe.each(creators)("%s over HTTP/1.1", (name, createTransport) => {
  it("has every kind of RPC that connect-node serves", async () => {
    const pod = await startPod("pod-1");
    const { client } = clientOf(createTransport, [pod.port]);
    expect(await client.ping({ payload: new Uint8Array(100_000) })).toMatchObject({ pod: "pod-1" });
    const charged: Headers[] = [];
    await client.charge({}, { onHeader: (each) => charged.push(each), onTrailer: (each) => charged.push(each) });
    expect([charged[0]?.get("x-header"), charged[1]?.get("x-trailer")]).toEqual(["h", "t"]);
    const error = await client.charge({ payload: new Uint8Array(1) }).catch(ConnectError.from);
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: "no funds" });
    const counted: number[] = [];
    for await (const { number } of client.count({ to: 20 })) counted.push(number);
    expect(counted).toHaveLength(20);
    expect(await client.collect(numbers(5))).toMatchObject({ pod: "pod-1", sum: 15n, received: 5 });
    expect(pod.sockets).toBe(1);
    expect(pod.requests.map(({ httpVersion, headers }) => `${httpVersion} ${headers.host}`)).toEqual(
      Array(5).fill("1.1 orders.test:8080"),
    );
    // a unary request states its length
    expect(pod.requests[0]?.headers).toMatchObject({ "content-length": expect.stringMatching(/^100\d\d\d$/) });
    expect(pod.requests[0]?.headers).not.toHaveProperty("transfer-encoding");
  });

  it("has bidirectional streams that are half-duplex, of servers that take them", async () => {
    const heads: IncomingMessage[] = [];
    const bodies: Buffer[] = [];
    const server = createServer(async (request, response) => {
      heads.push(request);
      bodies.push(await buffer(request));
      response.setHeader("content-type", request.headers["content-type"] ?? "");
      for (const text of ["a", "b"])
        response.write(envelope(0, toBinary(ChatResponseSchema, create(ChatResponseSchema, { text }))));
      response.end(
        name === "connect" ? envelope(2, Buffer.from("{}")) : envelope(128, Buffer.from("grpc-status: 0\r\n")),
      );
    });
    const { client } = clientOf(createTransport, [await listen(server)]);
    const answers: string[] = [];
    for await (const { text } of client.chat(texts())) answers.push(text);
    expect(answers).toEqual(["a", "b"]);
    expect(heads[0]?.headers["transfer-encoding"]).toBe("chunked");
    expect(bodies[0]?.toString()).toMatch(/a.*b/s);
    // connect-node takes none over HTTP/1.1
    const pod = await startPod("pod-1");
    const { client: refused } = clientOf(createTransport, [pod.port]);
    const first = refused.chat(texts())[Symbol.asyncIterator]().next();
    expect(await first.catch(ConnectError.from)).toMatchObject({ code: Code.Unknown, rawMessage: "HTTP 505" });
  });

  it("carries large messages both ways", async () => {
    const pod = await startPod("pod-1");
    const { client } = clientOf(createTransport, [pod.port]);
    const payload = new Uint8Array(5_000_000).fill(7);
    const answer = await client.ping({ payload });
    expect(Buffer.compare(answer.payload, payload)).toBe(0);
  });

  it("balances over pods, also those of one agent", async () => {
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    for (const nodeOptions of [{}, { agent }]) {
      const pods = [await startPod("pod-1"), await startPod("pod-2"), await startPod("pod-3")];
      const { client, transport } = clientOf(
        createTransport,
        pods.map(({ port }) => port),
        nodeOptions,
      );
      await connected(transport);
      const answers = await Promise.all(Array.from({ length: 30 }, () => client.ping({})));
      expect(Object.groupBy(answers, ({ pod }) => pod)).toMatchObject({
        "pod-1": { length: 10 },
        "pod-2": { length: 10 },
        "pod-3": { length: 10 },
      });
    }
  });

  it("loses no idempotent RPC to a pod that is killed, and none at all that was not sent to it", async () => {
    const pods = [await startPod("pod-1"), await startPod("pod-2"), await startPod("pod-3")];
    const { client, transport } = clientOf(
      createTransport,
      pods.map(({ port }) => port),
    );
    await connected(transport);
    let failed = 0;
    let killed = false;
    const seen: string[] = [];
    const seenAfter: string[] = [];
    const callers = Array.from({ length: 12 }, async () => {
      for (let left = 20; left > 0; left -= killed ? 1 : 0) {
        const answer = await client.ping({ work: { delayMs: 2 } }).catch(() => undefined);
        if (answer === undefined) failed++;
        else (killed ? seenAfter : seen).push(answer.pod);
      }
    });
    const busy = (): boolean => pods.every(({ requests }) => requests.length > 20);
    await expect.poll(busy, { interval: 2, timeout: 4_000 }).toBe(true);
    killed = true;
    pods[1]?.kill();
    await Promise.all(callers);
    expect(failed).toBe(0);
    expect([...new Set(seen)].sort()).toEqual(["pod-1", "pod-2", "pod-3"]);
    // what had been answered when it was killed, at most
    expect(seenAfter.filter((pod) => pod === "pod-2").length).toBeLessThanOrEqual(12);
    const states = transport.channel.snapshot().endpoints.map(({ state }) => state);
    expect(states.filter((state) => state === "ready")).toHaveLength(2);
    // nothing is under way: what goes to the lost pod now was not sent
    const charges = await Promise.all(Array.from({ length: 9 }, () => client.charge({})));
    expect(charges.every(({ pod }) => pod !== "pod-2")).toBe(true);
  });

  it("says which pod and what was seen when the connection is lost", async () => {
    const pod = await startPod("pod-1");
    const { client } = clientOf(createTransport, [pod.port]);
    const collected = client.collect(numbers(10_000)).catch(ConnectError.from);
    const count = (async () => {
      for await (const { number } of client.count({ to: 1_000, work: { delayMs: 10 } })) if (number === 3) pod.kill();
    })().catch(ConnectError.from);
    for (const error of [await collected, await count]) {
      expect(error).toMatchObject({ code: Code.Unavailable });
      expect(String(error)).toMatch(/connection 1 to 127\.0\.0\.1:\d+.*(ECONNRESET|the peer closed the connection)/);
    }
  });

  it("aborts, and times out, with the codes of their own", async () => {
    const pod = await startPod("pod-1");
    const { client, transport } = clientOf(createTransport, [pod.port]);
    const abort = new AbortController();
    const aborted = client.ping({ work: { delayMs: 5_000 } }, { signal: abort.signal }).catch(ConnectError.from);
    await expect.poll(() => pod.requests.length).toBe(1);
    abort.abort();
    expect(await aborted).toMatchObject({ code: Code.Canceled });
    const late = client.ping({ work: { delayMs: 5_000 } }, { timeoutMs: 50 }).catch(ConnectError.from);
    expect(await late).toMatchObject({ code: Code.DeadlineExceeded });
    for await (const { number } of client.count({ to: 1_000 })) if (number === 3) break;
    await transport.close();
  });
});

it("an RPC to a server of HTTP/2 says that it may be one", async () => {
  const server = createHttp2Server() as unknown as Server;
  const { client } = clientOf(createConnectTransport, [await listen(server)]);
  const error = await client.charge({}).catch(ConnectError.from);
  expect(error).toMatchObject({ code: Code.Internal });
  expect(String(error)).toMatch(/malformed response: .*does it speak HTTP\/1\.1 on this port\?/);
});
