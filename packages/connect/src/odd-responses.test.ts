import { createServer } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import * as reference from "@connectrpc/connect-node";
import { staticEndpoints } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen } from "../../server/test-helpers/servers.ts";
import { CountResponseSchema, DemoService } from "../gen/demo/v1/demo_pb.ts";
import { createConnectTransport } from "./connect-transport.ts";
import { createGrpcTransport } from "./grpc-transport.ts";
import { createGrpcWebTransport } from "./grpc-web-transport.ts";

/** What a server answers, whatever it is asked. */
interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: readonly Uint8Array[];
  readonly trailers?: Record<string, string>;
}

/** A message that is a PingResponse, too: both begin with the pod. */
const message = toBinary(CountResponseSchema, create(CountResponseSchema, { pod: "pod" }));

function envelope(data: Uint8Array | string, flags = 0): Uint8Array {
  const bytes = Buffer.from(data);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

const text = (value: string): Uint8Array => Buffer.from(value);
const details = Buffer.from(
  "080512036261641a260a1e747970652e676f6f676c65617069732e636f6d2f64656d6f2e76312e576f726b1204080710011801",
  "hex",
);

const statuses = [201, 204, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504];
const ok = { "grpc-status": "0" };

const grpc = { "content-type": "application/grpc+proto" };
const grpcAnswers: Record<string, Answer> = {
  ...Object.fromEntries(statuses.map((status) => [`HTTP ${status}`, { status, headers: grpc }])),
  "HTTP error with grpc-status": { status: 503, headers: { ...grpc, "grpc-status": "5", "x-a": "1" } },
  whole: { headers: { ...grpc, "x-h": "1" }, body: [envelope(message)], trailers: { ...ok, "x-t": "2" } },
  "another content type": { headers: { "content-type": "text/html" }, body: [text("<p>")] },
  "no content type": { headers: {} },
  "content type of JSON": {
    headers: { "content-type": "application/grpc+json" },
    body: [envelope(message)],
    trailers: ok,
  },
  "only headers, an error": { headers: { ...grpc, "grpc-status": "5", "grpc-message": "gone%20away", "x-a": "1" } },
  "only headers, ok": { headers: { ...grpc, "grpc-status": "0" } },
  "message and error status in headers": {
    headers: { ...grpc, "grpc-status": "5" },
    body: [envelope(message)],
    trailers: ok,
  },
  "no trailers": { headers: grpc, body: [envelope(message)] },
  "no trailers, no body": { headers: grpc },
  "trailers without a status": { headers: grpc, body: [envelope(message)], trailers: { "x-t": "1" } },
  "no message": { headers: grpc, trailers: ok },
  "an error after a message": {
    headers: { ...grpc, "x-h": "1" },
    body: [envelope(message)],
    trailers: { "grpc-status": "9", "grpc-message": "", "x-t": "2" },
  },
  "a status that is none": { headers: grpc, trailers: { "grpc-status": "17" } },
  "a status that is no number": { headers: grpc, trailers: { "grpc-status": "fine" } },
  "status 00": { headers: grpc, body: [envelope(message)], trailers: { "grpc-status": "00" } },
  details: { headers: grpc, trailers: { "grpc-status": "5", "grpc-status-details-bin": details.toString("base64") } },
  "details without padding": {
    headers: grpc,
    trailers: { "grpc-status": "5", "grpc-status-details-bin": details.toString("base64").replaceAll("=", "") },
  },
  "details with code 0": {
    headers: grpc,
    body: [envelope(message)],
    trailers: { "grpc-status": "5", "grpc-status-details-bin": "" },
  },
  "two messages": { headers: grpc, body: [envelope(message), envelope(message)], trailers: ok },
  "an empty message": { headers: grpc, body: [envelope("")], trailers: ok },
  "not a message": { headers: grpc, body: [envelope("\u0007\u0007\u0007")], trailers: ok },
  "half an envelope": { headers: grpc, body: [envelope(message).subarray(0, 7)], trailers: ok },
  "a bit of an envelope": { headers: grpc, body: [new Uint8Array(3)], trailers: ok },
  "more after the message": { headers: grpc, body: [envelope(message), new Uint8Array(2)], trailers: ok },
  "a compressed message": {
    headers: { ...grpc, "grpc-encoding": "gzip" },
    body: [envelope(gzipSync(message), 1)],
    trailers: ok,
  },
  "a message that is not compressed": {
    headers: { ...grpc, "grpc-encoding": "gzip" },
    body: [envelope(message)],
    trailers: ok,
  },
  "a message that only says it is": {
    headers: { ...grpc, "grpc-encoding": "gzip" },
    body: [envelope(message, 1)],
    trailers: ok,
  },
  "compressed without an encoding": { headers: grpc, body: [envelope(gzipSync(message), 1)], trailers: ok },
  "compressed as identity": {
    headers: { ...grpc, "grpc-encoding": "identity" },
    body: [envelope(message, 1)],
    trailers: ok,
  },
  "an unknown encoding": { headers: { ...grpc, "grpc-encoding": "zip" }, body: [envelope(message)], trailers: ok },
};

const web = { "content-type": "application/grpc-web+proto" };
const trailer = (value: string): Uint8Array => envelope(value, 0x80);
const webAnswers: Record<string, Answer> = {
  ...Object.fromEntries(
    Object.entries(grpcAnswers).map(([name, { trailers, headers, body = [], ...answer }]) => {
      const lines = Object.entries(trailers ?? {}).map(([key, value]) => `${key}: ${value}\r\n`);
      const type = headers?.["content-type"] === grpc["content-type"] ? web : {};
      const end = trailers === undefined ? [] : [trailer(lines.join(""))];
      return [name, { ...answer, headers: { ...headers, ...type }, body: [...body, ...end] }];
    }),
  ),
  "HTTP error with a message": { status: 500, headers: { ...web, "grpc-message": "so%20what" } },
  "two trailers": {
    headers: web,
    body: [envelope(message), trailer("grpc-status: 0\r\n"), trailer("grpc-status: 0\r\n")],
  },
  "a message after the trailer": { headers: web, body: [trailer("grpc-status: 0\r\n"), envelope(message)] },
  "odd lines": { headers: web, body: [envelope(message), trailer("Grpc-Status:0\r\nX-T:  a:b \r\nnothing\r\n:x\r\n")] },
  "only a compressed trailer": {
    headers: { ...web, "grpc-encoding": "gzip" },
    body: [envelope(message), envelope(gzipSync("grpc-status: 7\r\n"), 0x81)],
  },
};

const unary = { "content-type": "application/proto" };
const json = { "content-type": "application/json" };
const error = JSON.stringify({
  code: "not_found",
  message: "gone",
  details: [{ type: "demo.v1.Work", value: "CAc", debug: { a: 1 } }],
});
const unaryAnswers: Record<string, Answer> = {
  ...Object.fromEntries(statuses.map((status) => [`HTTP ${status}`, { status, headers: unary }])),
  ...Object.fromEntries(
    statuses.map((status) => [`HTTP ${status} with JSON`, { status, headers: json, body: [text("{}")] }]),
  ),
  whole: { headers: { ...unary, "x-h": "1", "trailer-x-t": "2" }, body: [message] },
  "in two chunks": { headers: unary, body: [message.subarray(0, 2), message.subarray(2)] },
  empty: { headers: unary },
  "not a message": { headers: unary, body: [text("\u0007\u0007")] },
  "JSON instead": { headers: json, body: [text("{}")] },
  "a stream": { headers: { "content-type": "application/connect+proto" }, body: [envelope(message)] },
  "another content type": { headers: { "content-type": "text/html" }, body: [text("<p>")] },
  "no content type": { headers: {} },
  "an error": { status: 404, headers: { ...json, "x-h": "1", "trailer-x-t": "2" }, body: [text(error)] },
  "an error with charset": {
    status: 404,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: [text(error)],
  },
  "an error, compressed": { status: 404, headers: { ...json, "content-encoding": "gzip" }, body: [gzipSync(error)] },
  "an error with an unknown code": { status: 429, headers: json, body: [text('{"code":"odd","message":"m"}')] },
  "an error without a message": { status: 429, headers: json, body: [text('{"code":"internal"}')] },
  "an error with an odd message": { status: 429, headers: { ...json, "x-h": "1" }, body: [text('{"message":4}')] },
  "an error with odd details": { status: 429, headers: json, body: [text('{"details":[{"type":3}]}')] },
  "an error with details that are not base64": {
    status: 429,
    headers: json,
    body: [text('{"details":[{"type":"a","value":"*"}]}')],
  },
  "an error that is no JSON": { status: 500, headers: { ...json, "trailer-x-t": "1" }, body: [text("oops")] },
  "an error that is no object": { status: 500, headers: { ...json, "trailer-x-t": "1" }, body: [text("[1]")] },
  "too long": { headers: { ...unary, "content-length": String(message.byteLength) }, body: [message] },
  compressed: { headers: { ...unary, "content-encoding": "gzip" }, body: [gzipSync(message)] },
  "not compressed": { headers: { ...unary, "content-encoding": "gzip" }, body: [message] },
  "an unknown encoding": { headers: { ...unary, "content-encoding": "zip" }, body: [message] },
};

const stream = { "content-type": "application/connect+proto" };
const end = (value: unknown): Uint8Array => envelope(typeof value === "string" ? value : JSON.stringify(value), 2);
const streamAnswers: Record<string, Answer> = {
  ...Object.fromEntries(statuses.map((status) => [`HTTP ${status}`, { status, headers: stream }])),
  whole: { headers: { ...stream, "x-h": "1" }, body: [envelope(message), end({ metadata: { "x-t": ["2", "3"] } })] },
  "no end": { headers: stream, body: [envelope(message)] },
  nothing: { headers: stream },
  "an end alone": { headers: stream, body: [end({})] },
  "two ends": { headers: stream, body: [end({}), end({})] },
  "a message after the end": { headers: stream, body: [end({}), envelope(message)] },
  "an error": {
    headers: { ...stream, "x-h": "1" },
    body: [envelope(message), end({ error: JSON.parse(error), metadata: { "x-t": ["2"] } })],
  },
  "an error with an odd code": { headers: stream, body: [end({ error: { code: "odd", message: "m" } })] },
  "an error that is none": { headers: stream, body: [end({ error: [] })] },
  "no error": { headers: stream, body: [envelope(message), end({ error: null })] },
  "odd metadata": { headers: stream, body: [end({ metadata: { a: "b" } })] },
  "metadata that is none": { headers: stream, body: [end({ metadata: null })] },
  "metadata with an odd name": { headers: stream, body: [end({ metadata: { "a b": ["c"] } })] },
  "an end that is no JSON": { headers: stream, body: [end("oops")] },
  "an end that is no object": { headers: stream, body: [end([])] },
  "a compressed end": {
    headers: { ...stream, "connect-content-encoding": "gzip" },
    body: [envelope(gzipSync(message), 1), envelope(gzipSync('{"error":{"code":"aborted"}}'), 3)],
  },
  "a compressed end without error": {
    headers: { ...stream, "connect-content-encoding": "gzip" },
    body: [envelope(gzipSync(message), 1), envelope(gzipSync("{}"), 3)],
  },
  "an unknown encoding": { headers: { ...stream, "connect-content-encoding": "zip" }, body: [envelope(message)] },
  "half an envelope": { headers: stream, body: [envelope(message).subarray(0, 7)] },
  "a unary response": { headers: unary, body: [message] },
  "another content type": { headers: { "content-type": "text/html" } },
  "not a message": { headers: stream, body: [envelope("\u0007\u0007\u0007"), end({})] },
};

/** A server of one answer. */
async function startServer({ status = 200, headers = {}, body = [], trailers }: Answer): Promise<number> {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    stream.resume();
    stream.on("end", () => {
      if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      const endStream = body.length === 0 && trailers === undefined;
      stream.respond({ ":status": status, ...headers }, { waitForTrailers: trailers !== undefined, endStream });
      if (endStream) return;
      for (const chunk of body) stream.write(chunk);
      stream.end();
    });
  });
  let cut = async (): Promise<void> => {};
  const port = await listen(server, (end) => {
    cut = end;
  });
  onTestFinished(() => cut());
  return port;
}

const entries = (headers: Headers): unknown => [...headers].filter(([name]) => name !== "date");

async function seen(transport: Transport, kind: "unary" | "stream"): Promise<unknown> {
  const log: unknown[] = [];
  const options = {
    onHeader: (header: Headers) => void log.push(entries(header)),
    onTrailer: (trailer: Headers) => void log.push(entries(trailer)),
  };
  const client = createClient(DemoService, transport);
  try {
    if (kind === "unary") log.push((await client.charge({}, options)).pod);
    else for await (const { pod } of client.count({}, options)) log.push(pod);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ConnectError);
    const error = thrown as ConnectError;
    log.push([error.message, entries(error.metadata), JSON.stringify(error.details), error.isWireError]);
  }
  return log;
}

/** What has another code here, on purpose: it is not the caller's mistake. */
const different = /\[invalid_argument\] protocol error: (?=incomplete envelope|missing EndStreamResponse)/;

describe.each([
  { protocol: "grpc", kind: "unary", answers: grpcAnswers },
  { protocol: "grpc", kind: "stream", answers: grpcAnswers },
  { protocol: "grpc-web", kind: "unary", answers: webAnswers },
  { protocol: "grpc-web", kind: "stream", answers: webAnswers },
  { protocol: "connect", kind: "unary", answers: unaryAnswers },
  { protocol: "connect", kind: "stream", answers: streamAnswers },
] as const)("$protocol, $kind, takes as connect-node does:", ({ protocol, kind, answers }) => {
  it.each(Object.keys(answers))("%s", async (name) => {
    const answer = answers[name];
    if (answer === undefined) throw new Error("no answer");
    const port = await startServer(answer);
    const baseUrl = `http://127.0.0.1:${port}`;
    const create = { grpc: createGrpcTransport, "grpc-web": createGrpcWebTransport, connect: createConnectTransport };
    const own = create[protocol]({ baseUrl, resolver: staticEndpoints([`127.0.0.1:${port}`]) });
    onTestFinished(() => own.destroy());
    const sessionManager = new reference.Http2SessionManager(baseUrl);
    onTestFinished(() => sessionManager.abort());
    const theirs = { baseUrl, httpVersion: "2", sessionManager } as const;
    const their = {
      grpc: () => reference.createGrpcTransport(theirs),
      "grpc-web": () => reference.createGrpcWebTransport(theirs),
      connect: () => reference.createConnectTransport(theirs),
    }[protocol]();
    const text = JSON.stringify(await seen(their, kind)).replace(different, "[internal] protocol error: ");
    const expected: unknown[] = JSON.parse(text);
    // and on purpose, too: where the headers are all there is, they are the trailers as well
    if (kind === "stream" && name === "only headers, ok") expected[1] = expected[0];
    expect(await seen(own, kind)).toEqual(expected);
  });
});
