import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, type ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import {
  type Events,
  type Policy,
  type ResolverFactory,
  StatusError,
  staticEndpoints,
  subscribe,
} from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen, type RawPeerScript, startRawPeer } from "../../http2/test-helpers/raw-peer.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { type DemoServer, startDemoServer } from "../test-helpers/demo-server.ts";
import { failureOf } from "../test-helpers/failure.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { compressionBrotli, compressionGzip } from "./compression.ts";
import { createConnectTransport } from "./connect-transport.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import { createGrpcWebTransport } from "./grpc-web-transport.ts";
import type { TransportOptions } from "./options.ts";
import type { BalancedTransport } from "./transport.ts";

const protocols = [
  { name: "connect", create: createConnectTransport },
  { name: "grpc", create: createGrpcTransport },
  { name: "grpc-web", create: createGrpcWebTransport },
] as const;

async function startServer(pod = "pod-1"): Promise<DemoServer> {
  const server = await startDemoServer(pod);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function startPeer(script: RawPeerScript): Promise<string> {
  const peer = await startRawPeer(script);
  onTestFinished(() => peer[Symbol.asyncDispose]());
  return `127.0.0.1:${peer.port}`;
}

function clientOf(
  addresses: readonly string[],
  options: Partial<TransportOptions> = {},
  create: (options: TransportOptions) => BalancedTransport = createGrpcTransport,
): { client: Client<typeof DemoService>; transport: BalancedTransport } {
  const transport = create({
    baseUrl: "http://orders.test:8080",
    policy: inTurn,
    ...(options.resolver === undefined ? { resolver: staticEndpoints(addresses) } : {}),
    ...options,
  });
  onTestFinished(() => transport.destroy());
  return { client: createClient(DemoService, transport), transport };
}

/** Waits until every endpoint has a ready connection, so that it is the policy that decides. */
async function connected(transport: BalancedTransport): Promise<void> {
  transport.channel.connect();
  await expect.poll(() => transport.channel.snapshot().endpoints.every(({ state }) => state === "ready")).toBe(true);
}

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of iterable) all.push(each);
  return all;
}

describe.each(protocols)("$name", ({ create }) => {
  it.each([{ useBinaryFormat: true }, { useBinaryFormat: false }])(
    "does all four kinds of RPC, %j",
    async (options) => {
      const { client } = clientOf([(await startServer()).address], options, create);
      const answer = await client.ping({ payload: new Uint8Array([1, 2]) });
      expect([answer.pod, ...answer.payload]).toEqual(["pod-1", 1, 2]);
      const counted = await collect(client.count({ to: 300 }));
      expect(counted.map(({ number }) => number)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
      const sum = await client.collect(
        (async function* () {
          for (let number = 1; number <= 100; number++) yield { number };
        })(),
      );
      expect(sum).toMatchObject({ sum: 5050n, received: 100 });
      const echoed = await collect(
        client.chat(
          (async function* () {
            yield { text: "a" };
            yield { text: "b" };
          })(),
        ),
      );
      expect(echoed.map(({ text }) => text)).toEqual(["a", "b"]);
    },
  );

  it("lets a conversation answer before the next question", async () => {
    const { client } = clientOf([(await startServer()).address], {}, create);
    const answers: string[] = [];
    const questions = ["one", "two", "three"];
    let next = Promise.withResolvers<void>();
    const asked = (async function* () {
      for (const text of questions) {
        yield { text };
        await next.promise;
        next = Promise.withResolvers<void>();
      }
    })();
    for await (const { text } of client.chat(asked)) {
      answers.push(text);
      next.resolve();
    }
    expect(answers).toEqual(questions);
  });

  it.each([compressionGzip, compressionBrotli])("compresses both ways with $name", async (compression) => {
    const server = await startServer();
    const options = { sendCompression: compression, acceptCompression: [compression], compressMinBytes: 10 };
    const { client } = clientOf([server.address], options, create);
    const payload = new Uint8Array(100_000).fill(7);
    expect(Buffer.compare((await client.ping({ payload })).payload, payload)).toBe(0);
  });

  it("carries 8 MiB both ways", async () => {
    const { client } = clientOf([(await startServer()).address], {}, create);
    const payload = Buffer.alloc(8 * 1024 * 1024, "evenkeel");
    const answer = await client.ping({ payload });
    expect(Buffer.compare(answer.payload, payload)).toBe(0);
  });

  it("passes on status, details, headers and trailers", async () => {
    const server = await startServer();
    const { client } = clientOf([server.address], {}, create);
    const error = await failureOf(client.charge({ payload: new Uint8Array(1) }));
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: "no funds" });
    expect(error.metadata.get("x-reason")).toBe("poor");
    expect(error.findDetails(DemoService.method.charge.output)).toMatchObject([{ pod: "pod-1" }]);
    const seen: (string | null)[] = [];
    const cookies = ["a=1", "b=2"];
    await client.charge(
      {},
      {
        headers: cookies.map((cookie) => ["set-cookie", cookie] as [string, string]),
        onHeader: (headers) => seen.push(headers.get("x-header")),
        onTrailer: (trailers) => seen.push(trailers.get("x-trailer")),
      },
    );
    expect(seen).toEqual(["h", "t"]);
    expect(server.requests.at(-1)?.getSetCookie()).toEqual(cookies);
  });

  it("ends a call at its deadline and at its abort, unary and streaming", async () => {
    const { client, transport } = clientOf([(await startServer()).address], {}, create);
    const slow = { work: { delayMs: 5_000 } };
    const late = await failureOf(client.ping(slow, { timeoutMs: 30 }));
    expect(late.code).toBe(Code.DeadlineExceeded);
    const lateStream = await failureOf(collect(client.count({ ...slow, to: 2 }, { timeoutMs: 30 })));
    expect(lateStream.code).toBe(Code.DeadlineExceeded);
    const aborted = failureOf(client.ping(slow, { signal: AbortSignal.timeout(20) }));
    expect((await aborted).code).toBe(Code.Canceled);
    await expect.poll(() => transport.channel.snapshot().endpoints[0]?.connection?.inFlight).toBe(0);
  });

  it("spreads RPCs over the endpoints", async () => {
    const servers = await Promise.all(["pod-1", "pod-2", "pod-3"].map(startServer));
    const { client, transport } = clientOf(
      servers.map(({ address }) => address),
      {},
      create,
    );
    await connected(transport);
    const pods = [];
    for (let call = 0; call < 9; call++) pods.push((await client.charge({})).pod);
    expect(pods.slice(0, 3).toSorted()).toEqual(["pod-1", "pod-2", "pod-3"]);
    expect(pods.slice(3)).toEqual([...pods.slice(0, 3), ...pods.slice(0, 3)]);
  });

  it("says which pod and what was seen when a call that may not be repeated is lost", async () => {
    const address = await startPeer({ onRequest: (_id, peer) => peer.socket.resetAndDestroy() });
    const { client } = clientOf([address], {}, create);
    const error = await failureOf(client.charge({}));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toBe(
      `connection 1 to ${address}: read ECONNRESET: the request was sent, and it is not known whether it was processed`,
    );
  });
});

describe("an RPC is sent again", () => {
  it("when a GOAWAY says that it was not processed, without its caller noticing", async () => {
    let goaways = 0;
    const retiring = await startPeer({
      onRequest: (_id, peer) => {
        goaways++;
        peer.goaway(0, 0);
      },
    });
    const server = await startServer("pod-2");
    const { client, transport } = clientOf([retiring, server.address]);
    await connected(transport);
    for (let call = 0; call < 4; call++) expect(await client.charge({})).toMatchObject({ pod: "pod-2" });
    expect(goaways).toBeGreaterThan(0);
    expect(await client.collect(one({ number: 4 }))).toMatchObject({ sum: 4n });
  });

  it("when its stream was refused, up to 5 times", async () => {
    let refusals = 0;
    const refusing = await startPeer({
      onRequest: (id, peer) => {
        refusals++;
        peer.rstStream(id, 7);
      },
    });
    const { client } = clientOf([refusing]);
    const error = await failureOf(client.charge({}));
    expect(refusals).toBe(5);
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toMatch(/REFUSED_STREAM.*was not processed \(5 attempts\)/);
  });

  it("on another endpoint than the one that refused it", async () => {
    const refusing = await startPeer({ onRequest: (id, peer) => peer.rstStream(id, 7) });
    const server = await startServer("pod-2");
    const { client, transport } = clientOf([refusing, server.address]);
    await connected(transport);
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.charge({})));
    expect(answers.map(({ pod }) => pod)).toEqual(Array.from({ length: 50 }, () => "pod-2"));
  });

  it("when its fate is ambiguous and its method idempotent, up to 3 attempts", async () => {
    let requests = 0;
    const script: RawPeerScript = {
      onRequest: (_id, peer) => {
        requests++;
        peer.socket.resetAndDestroy();
      },
    };
    const peers = [await startPeer(script), await startPeer(script), await startPeer(script), await startPeer(script)];
    const { client, transport } = clientOf(peers);
    await connected(transport);
    const error = await failureOf(client.ping({}));
    expect(requests).toBe(3);
    expect(error.rawMessage).toMatch(/ECONNRESET.*\(3 attempts\)/);
    await failureOf(client.charge({}));
    expect(requests).toBe(4);
  });

  it("inside the interceptors, which see one call", async () => {
    let calls = 0;
    const counting: Interceptor = (next) => (request) => {
      calls++;
      request.header.set("x-call", String(calls));
      return next(request);
    };
    const retiring = await startPeer({ onRequest: (_id, peer) => peer.goaway(0, 0) });
    const server = await startServer();
    const { client, transport } = clientOf([retiring, server.address], { interceptors: [counting] });
    await connected(transport);
    await client.charge({});
    await client.charge({});
    expect(calls).toBe(2);
    expect(server.requests.map((headers) => headers.get("x-call"))).toEqual(["1", "2"]);
  });

  it("also when an interceptor gives all calls the same signal, or calls next twice", async () => {
    const shared = new AbortController();
    const sharing: Interceptor = (next) => async (request) => {
      const answers = await Promise.all([1, 2].map(() => next({ ...request, signal: shared.signal })));
      return answers[0] as Awaited<ReturnType<typeof next>>;
    };
    const retiring = await startPeer({ onRequest: (_id, peer) => peer.goaway(0, 0) });
    const server = await startServer("pod-2");
    const { client, transport } = clientOf(
      [retiring, server.address],
      // compression takes a turn between the beginning of an attempt and its request
      { interceptors: [sharing], sendCompression: compressionGzip, compressMinBytes: 1 },
      createConnectTransport,
    );
    await connected(transport);
    const payload = new Uint8Array(100);
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.charge({ payload })));
    expect(new Set(answers.map(({ pod }) => pod))).toEqual(new Set(["pod-2"]));
    expect(server.requests).toHaveLength(20);
    const { attempts, succeeded, failed } = transport.channel.snapshot().totals;
    expect(failed).toBeGreaterThan(0);
    expect({ attempts, succeeded }).toEqual({ attempts: 20 + failed, succeeded: 20 });
  });

  it("with all of a streaming request, unless it is too large to be kept", async () => {
    let arrived = 0;
    const resetting: RawPeerScript = {
      onConnect: (peer) => {
        peer.settings([[4, 2 ** 20]]);
        peer.windowUpdate(0, 2 ** 20);
      },
      // the client has written by then
      onRequest: (id, peer) => setTimeout(() => peer.rstStream(id, 7), 50 * ++arrived),
    };
    const server = await startServer("pod-2");
    const { client, transport } = clientOf([await startPeer(resetting), server.address]);
    await connected(transport);
    const small = client.collect(
      (async function* () {
        for (let number = 1; number <= 10; number++) {
          yield { number };
          await sleep(10);
        }
      })(),
    );
    expect(await small).toMatchObject({ pod: "pod-2", sum: 55n, received: 10 });
    const large = Array.from({ length: 40 }, () => ({ number: 1, payload: new Uint8Array(16_384) }));
    await expect.poll(() => transport.channel.snapshot().endpoints[0]?.state).toBe("ready");
    const errors: ConnectError[] = [];
    for (let call = 0; call < 2; call++) {
      const result = client.collect(each(large));
      await result.catch((error: ConnectError) => errors.push(error));
    }
    expect(errors.map(({ rawMessage }) => rawMessage)).toEqual([
      expect.stringMatching(/REFUSED_STREAM.*\(too much of the request was sent to keep it\)/),
    ]);
  });
});

describe("what cannot work fails clearly within the connect timeout", () => {
  const refusing = async (): Promise<string> => {
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    await once(server, "close");
    return `127.0.0.1:${port}`;
  };

  it("a port that refuses", async () => {
    const { client } = clientOf([await refusing()]);
    const error = await failureOf(client.charge({}));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toMatch(/^http:\/\/orders\.test:8080: no connection to any of 127.*ECONNREFUSED/);
    expect(error.cause).toBeInstanceOf(StatusError);
  });

  it("no endpoints", async () => {
    const { client } = clientOf([]);
    const error = await failureOf(client.charge({}));
    expect(error).toMatchObject({ code: Code.Unavailable });
    expect(error.rawMessage).toMatch(/has no endpoints/);
  });

  it("a resolver that fails at first, and works once it does not", async () => {
    const server = await startServer();
    let works = (): void => {};
    const resolver: ResolverFactory = (target, listener, context) => {
      listener({ kind: "error", error: new Error("the API server is away") });
      works = () => void staticEndpoints([server.address])(target, listener, context);
      return { resolveNow() {}, close() {} };
    };
    const { client } = clientOf([], { resolver });
    expect((await failureOf(client.charge({}))).rawMessage).toMatch(/could not be learnt: the API server is away/);
    works();
    expect(await client.charge({})).toMatchObject({ pod: "pod-1" });
  });

  it("a host that has no address", async () => {
    const { dns } = await import("@evenkeel/core");
    const resolver = dns({ lookup: () => Promise.reject(new Error("getaddrinfo ENOTFOUND orders.test")) });
    const { client } = clientOf([], { resolver });
    expect((await failureOf(client.charge({}))).rawMessage).toMatch(/DNS look-up of orders\.test failed: .*ENOTFOUND/);
  });

  it("a peer that speaks HTTP/1.1", async () => {
    const server = createHttp1Server();
    const port = await listen(server);
    onTestFinished(() => void server.close());
    const { client } = clientOf([`127.0.0.1:${port}`]);
    expect((await failureOf(client.charge({}))).rawMessage).toMatch(/does it speak HTTP\/1\.1/);
  });

  it("a peer that never says anything", async () => {
    const server = createTcpServer((socket) => socket.resume());
    const port = await listen(server);
    onTestFinished(() => void server.close());
    const { client } = clientOf([`127.0.0.1:${port}`], { connectTimeoutMs: 100 });
    expect((await failureOf(client.charge({}))).rawMessage).toMatch(
      /not ready after 100 ms \(neither refused nor answered\)/,
    );
  });

  it("headers that HTTP/2 does not allow", async () => {
    const { client } = clientOf([(await startServer()).address]);
    const error = await failureOf(client.charge({}, { headers: { connection: "close" } }));
    expect(error.rawMessage).toMatch(/malformed request headers/);
  });
});

describe("a transport", () => {
  it("does nothing before its first RPC", async () => {
    let resolvers = 0;
    const resolver: ResolverFactory = (...call) => {
      resolvers++;
      return staticEndpoints(["127.0.0.1:1"])(...call);
    };
    const { transport } = clientOf([], { resolver });
    expect(resolvers).toBe(0);
    expect(transport.channel.snapshot()).toMatchObject({ state: "idle", endpoints: [] });
  });

  it("shares the channel of another one", async () => {
    const server = await startServer();
    const { client, transport } = clientOf([server.address]);
    await client.charge({});
    const other = createConnectTransport({ baseUrl: "http://orders.test:8080", channel: transport.channel });
    await createClient(DemoService, other).charge({});
    expect(server.sessions.size).toBe(1);
    await other.close();
    expect(await client.charge({})).toMatchObject({ pod: "pod-1" });
  });

  it("tells policies the method of an RPC, also of one that is sent as GET", async () => {
    const paths: string[] = [];
    const policy: Policy = (_previous, [first]) => ({
      pick({ path }) {
        paths.push(path);
        return { kind: "complete", candidate: first };
      },
    });
    const create = (options: TransportOptions) => createConnectTransport({ ...options, useHttpGet: true });
    const { client } = clientOf([(await startServer()).address], { policy }, create);
    await client.ping({ payload: new Uint8Array(3) });
    expect(paths).toEqual(["/demo.v1.DemoService/Ping"]);
  });

  it("cancels a stream whose response is left before its end", async () => {
    const { transport } = clientOf([(await startServer()).address]);
    const { count } = DemoService.method;
    for (const signal of [undefined, new AbortController().signal]) {
      const request = one({ to: 1_000_000 });
      const { message } = await transport.stream(count, signal, undefined, undefined, request);
      for await (const { number } of message) if (number === 3) break;
      await expect.poll(() => transport.channel.snapshot().endpoints[0]?.connection?.inFlight).toBe(0);
    }
    expect(transport.channel.snapshot().totals).toEqual({ attempts: 2, succeeded: 0, failed: 2 });
  });

  it("closed, lets RPCs finish and takes no more", async () => {
    const { client, transport } = clientOf([(await startServer()).address]);
    await client.charge({});
    const running = client.ping({ work: { delayMs: 50 } });
    await sleep(10);
    const closed = transport.close();
    expect(await running).toMatchObject({ pod: "pod-1" });
    await closed;
    expect((await failureOf(client.charge({}))).rawMessage).toMatch(/is closed/);
    await transport[Symbol.asyncDispose]();
  });

  it("destroyed, ends RPCs with the error it is given", async () => {
    const { client, transport } = clientOf([(await startServer()).address]);
    await client.charge({});
    const running = failureOf(
      client.charge({ payload: new Uint8Array(2) }).then(() => client.ping({ work: { delayMs: 500 } })),
    );
    await sleep(10);
    transport.destroy(new Error("the process ends"));
    expect((await running).rawMessage).toMatch(/the process ends/);
  });

  it("reports every attempt once", async () => {
    const server = await startServer();
    let connections = 0;
    const retiring = await startPeer({
      onConnect: (peer) => {
        if (++connections === 1) peer.settings();
      },
      onRequest: (_id, peer) => peer.goaway(0, 0),
    });
    const { client, transport } = clientOf([retiring, server.address]);
    await connected(transport);
    const events: Events["attempt.end"][] = [];
    onTestFinished(subscribe("attempt.end", (event) => events.push(event)));
    await client.charge({});
    await client.charge({});
    await collect(client.count({ to: 2 }));
    await failureOf(client.charge({ payload: new Uint8Array(1) }));
    const summary = events.map(({ path, outcome }) => `${path.split("/").at(-1)} ${outcome.fate} ${outcome.code}`);
    expect(summary.toSorted()).toEqual([
      "Charge answered 0",
      "Charge answered 0",
      "Charge answered 9",
      "Charge unprocessed 14",
      "Count answered 0",
    ]);
    expect(transport.channel.snapshot().totals).toEqual({ attempts: 5, succeeded: 3, failed: 2 });
  });
});

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  for (const value of values) {
    yield value;
    await sleep(1);
  }
}
