import { createServer } from "node:http2";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  type HandlerContext,
  type Transport,
} from "@connectrpc/connect";
import * as reference from "@connectrpc/connect-node";
import { staticEndpoints } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen } from "../../server/test-helpers/servers.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { compressionBrotli, compressionGzip } from "./compression.ts";
import { createConnectTransport } from "./connect-transport.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import { createGrpcWebTransport } from "./grpc-web-transport.ts";
import type { ConnectTransportOptions } from "./options.ts";

const protocols = {
  connect: { ours: createConnectTransport, theirs: reference.createConnectTransport },
  "connect with GET": { ours: createConnectTransport, theirs: reference.createConnectTransport },
  grpc: { ours: createGrpcTransport, theirs: reference.createGrpcTransport },
  "grpc-web": { ours: createGrpcWebTransport, theirs: reference.createGrpcWebTransport },
};
const compressions = { none: undefined, gzip: compressionGzip, br: compressionBrotli };

type Options = Partial<
  Pick<
    ConnectTransportOptions,
    "useBinaryFormat" | "sendCompression" | "acceptCompression" | "compressMinBytes" | "readMaxBytes" | "writeMaxBytes"
  >
>;

/** What the server got last: method, URL and headers of the requests. */
let requests: unknown[] = [];

function note({ requestMethod, requestHeader, timeoutMs, url }: HandlerContext): void {
  const headers = [...requestHeader]
    .filter(([name]) => !name.endsWith("user-agent") && !name.startsWith(":"))
    // what is left of it, with us
    .map(([name, value]) => (name.includes("timeout") ? [name, value.replace(/^59\d\d\d/, "60000")] : [name, value]));
  requests.push({ requestMethod, url, headers, hasTimeout: timeoutMs() !== undefined });
}

function fail(what: string): never {
  throw new ConnectError(`${what}: 100 % wrong, „naïve“`, Code.FailedPrecondition, { "x-why": "so", "x-bin": "AAE" }, [
    { desc: DemoService.method.charge.output, value: { pod: what } },
    { desc: DemoService.method.count.output, value: { number: 7 } },
  ]);
}

function routes(router: ConnectRouter): void {
  router.service(DemoService, {
    ping({ payload }, context) {
      note(context);
      context.responseHeader.set("x-header", "ping");
      context.responseTrailer.set("x-trailer", "pong");
      return { pod: "pod", payload };
    },
    charge(_request, context) {
      note(context);
      fail("charge");
    },
    async *count({ to }, context) {
      note(context);
      context.responseHeader.set("x-header", "count");
      context.responseTrailer.append("x-trailer", "counted");
      for (let number = 1; number <= Math.min(to, 5); number++) {
        yield { number, payload: new Uint8Array(to > 100 ? 5_000 : 0) };
      }
      if (to === 13) fail("count");
    },
    async collect(messages, context) {
      note(context);
      let received = 0;
      for await (const { number } of messages) {
        if (number === 13) fail("collect");
        received++;
      }
      context.responseTrailer.set("x-trailer", "collected");
      return { received };
    },
    async *chat(messages, context) {
      note(context);
      context.responseHeader.set("x-header", "chat");
      for await (const { text } of messages) {
        if (text === "thirteen") fail("chat");
        yield { text };
      }
    },
  });
}

/** Everything that a caller can see of a call. */
async function seen(
  call: (client: Client<typeof DemoService>, options: CallOptions) => Promise<unknown>,
  transport: Transport,
  options: CallOptions = {},
): Promise<{ result: unknown; headers: unknown; requests: unknown }> {
  requests = [];
  const headers: unknown[] = [];
  const plain = (name: string): boolean => !["date", "content-length", "content-type"].includes(name);
  const entries = (all: Headers): unknown => [...all].filter(([name]) => plain(name));
  let result: unknown;
  try {
    result = await call(createClient(DemoService, transport), {
      ...options,
      onHeader: (header) => headers.push(["header", entries(header)]),
      onTrailer: (trailer) => headers.push(["trailer", entries(trailer)]),
    });
  } catch (thrown) {
    const error = thrown as ConnectError;
    expect(thrown).toBeInstanceOf(ConnectError);
    const details = error.details.map((detail) => JSON.stringify(detail));
    result = {
      code: error.code,
      message: error.message,
      metadata: entries(error.metadata),
      details,
      found: error.findDetails(DemoService.method.charge.output).map(({ pod }) => pod),
    };
  }
  return { result, headers, requests };
}

async function* each<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

async function all<O extends DescMessage>(desc: O, messages: AsyncIterable<MessageShape<O>>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const message of messages) list.push(toJson(desc, message));
  return list;
}

const { ping, count, collect, chat } = DemoService.method;
const large = new Uint8Array(20_000).fill(3);
const calls: Record<string, (client: Client<typeof DemoService>, options: CallOptions) => Promise<unknown>> = {
  "unary, empty": async (client, options) => toJson(ping.output, await client.ping({}, options)),
  "unary, small": async (client, options) =>
    toJson(ping.output, await client.ping({ payload: new Uint8Array([0, 255, 62, 63]) }, options)),
  "unary, large": async (client, options) => toJson(ping.output, await client.ping({ payload: large }, options)),
  "unary, error": (client, options) => client.charge({}, options),
  "server streaming": (client, options) => all(count.output, client.count({ to: 3 }, options)),
  "server streaming, large": (client, options) => all(count.output, client.count({ to: 101 }, options)),
  "server streaming, nothing": (client, options) => all(count.output, client.count({ to: 0 }, options)),
  "server streaming, error": (client, options) => all(count.output, client.count({ to: 13 }, options)),
  "client streaming": async (client, options) =>
    toJson(collect.output, await client.collect(each({ number: 1 }, { number: 2, payload: large }), options)),
  "client streaming, nothing": async (client, options) =>
    toJson(collect.output, await client.collect(each<{ number: number }>(), options)),
  "client streaming, error": (client, options) => client.collect(each({ number: 1 }, { number: 13 }), options),
  "both streaming": (client, options) => all(chat.output, client.chat(each({ text: "a" }, { text: "b" }), options)),
  "both streaming, error": (client, options) =>
    all(chat.output, client.chat(each({ text: "a" }, { text: "thirteen" }), options)),
};

describe.each(Object.keys(protocols) as (keyof typeof protocols)[])("%s is as in connect-node", (protocol) => {
  const { ours, theirs } = protocols[protocol];

  async function transports(...options: readonly Options[]): Promise<(readonly [Transport, Transport])[]> {
    const server = createServer(reference.connectNodeAdapter({ routes }));
    let end = async (): Promise<void> => {};
    const port = await listen(server, (cut) => {
      end = cut;
    });
    onTestFinished(() => end());
    const baseUrl = `http://127.0.0.1:${port}`;
    return options.map((each) => {
      const shared = { baseUrl, useHttpGet: protocol === "connect with GET", ...each };
      const own = ours({ ...shared, resolver: staticEndpoints([`127.0.0.1:${port}`]) });
      onTestFinished(() => own.destroy());
      const sessionManager = new reference.Http2SessionManager(baseUrl);
      onTestFinished(() => sessionManager.abort());
      return [own, theirs({ ...shared, httpVersion: "2", sessionManager })];
    });
  }

  it.each(
    [true, false].flatMap((useBinaryFormat) =>
      (["none", "gzip", "br"] as const).map((compression) => ({ useBinaryFormat, compression })),
    ),
  )("every kind of RPC, %j", async ({ useBinaryFormat, compression }) => {
    const chosen = compressions[compression];
    const pairs = await transports({
      useBinaryFormat,
      compressMinBytes: 100,
      ...(chosen === undefined ? { acceptCompression: [] } : { sendCompression: chosen, acceptCompression: [chosen] }),
    });
    for (const [own, their] of pairs) {
      for (const [name, call] of Object.entries(calls)) {
        expect([name, await seen(call, own)]).toEqual([name, await seen(call, their)]);
      }
    }
  });

  it("headers and timeouts", async () => {
    const [[own, their] = []] = await transports({});
    if (own === undefined || their === undefined) throw new Error("no transports");
    const both = [calls["unary, small"], calls["server streaming"]] as const;
    const headers: HeadersInit[] = [
      { "x-a": "1", "X-B": " padded\t" },
      [
        ["x-a", "1"],
        ["X-A", "2"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
      ],
      new Headers({ "x-a": "é", "x-empty": "" }),
      { "content-type": "text/plain", "grpc-timeout": "1H", "connect-timeout-ms": "5", "x-grpc-web": "9" },
      { "user-agent": "mine/1", "x-user-agent": "other/1", "content-encoding": "nonsense" },
    ];
    for (const call of both) {
      if (call === undefined) throw new Error("no such call");
      for (const each of headers) {
        const options = { headers: each, timeoutMs: 60_000 };
        expect([each, await seen(call, own, options)]).toEqual([each, await seen(call, their, options)]);
      }
      for (const timeoutMs of [0, -5]) {
        expect([timeoutMs, await seen(call, own, { timeoutMs })]).toEqual([
          timeoutMs,
          await seen(call, their, { timeoutMs }),
        ]);
      }
    }
  });

  it.each([
    { "x a": "1" },
    { "": "1" },
    { "x-a": "1\r\nx-b: 2" },
    { "x-a": "\0" },
    { "x-a": "€" },
    [["x-a"]] as unknown as HeadersInit,
    new Map() as unknown as HeadersInit,
  ])("refuses headers %j", async (headers) => {
    const [pair = []] = await transports({});
    const outcome = (transport: Transport, kind: "ping" | "collect"): Promise<unknown> => {
      const client = createClient(DemoService, transport);
      const call = kind === "ping" ? client.ping({}, { headers }) : client.collect(each({ number: 1 }), { headers });
      return call.then(
        () => "it succeeded",
        (error: Error) => [error.name, error.message],
      );
    };
    for (const kind of ["ping", "collect"] as const) {
      const [mine, other] = await Promise.all(pair.map((transport) => outcome(transport, kind)));
      expect(mine).toEqual(other);
    }
  });

  it("limits of size", async () => {
    const limits = [
      { readMaxBytes: 10 },
      { writeMaxBytes: 10 },
      { readMaxBytes: 2_000, sendCompression: compressionGzip },
    ];
    for (const [own, their] of await transports(...limits)) {
      for (const name of ["unary, large", "server streaming, large", "client streaming"]) {
        const call = calls[name];
        if (call === undefined) throw new Error(`no call ${name}`);
        const [mine, other] = [await seen(call, own), await seen(call, their)];
        expect([name, mine.result]).toEqual([name, other.result]);
      }
    }
  });
});
