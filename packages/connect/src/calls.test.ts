import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import { gzipSync } from "node:zlib";
import { Code, createClient, type Interceptor } from "@connectrpc/connect";
import { type Events, StatusCode, StatusError, subscribe } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../test-helpers/failure.ts";
import {
  answerGrpc,
  envelope,
  grpcHead,
  grpcOk,
  headersOf,
  podMessage,
  scriptedCalls,
} from "../test-helpers/scripted-calls.ts";
import { createGrpcTransport } from "./grpc-transport.ts";

function outcomes(): Events["attempt.end"]["outcome"][] {
  const all: Events["attempt.end"]["outcome"][] = [];
  onTestFinished(subscribe("attempt.end", ({ outcome }) => all.push(outcome)));
  return all;
}

async function* each<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

/** What never settles fails its test at once. */
async function inTime<T>(promise: Promise<T>, clock: { advance(ms: number): Promise<void> }): Promise<T> {
  let result: { readonly value: T } | undefined;
  void promise.then((value) => {
    result = { value };
  });
  await clock.advance(0);
  if (result === undefined) throw new Error("it never settles");
  return result.value;
}

/** A compression that leaves bytes as they are. */
const copying = {
  name: "copying",
  compress: async (bytes: Uint8Array) => new Uint8Array(bytes),
  decompress: async (bytes: Uint8Array) => new Uint8Array(bytes),
};
const copyingHead = [...grpcHead.headers, ["grpc-encoding", "copying"]] as const;

const lost = { fate: "ambiguous", error: new StatusError(StatusCode.unavailable, "it broke") } as const;
const refused = { ...lost, fate: "unprocessed", errorCode: 7 } as const;

describe("a unary call", () => {
  it("hands the same list of headers to its connection every time, and its own ones besides", async () => {
    const { client, streams } = scriptedCalls({ onStream: answerGrpc });
    await client.charge({});
    await client.charge({}, { headers: { "X-A": "1" } });
    await client.charge({}, { headers: { "user-agent": "mine" }, timeoutMs: 250 });
    expect(streams[1]?.head.headers).toBe(streams[0]?.head.headers);
    expect(streams[0]?.head.furtherHeaders).toEqual([]);
    expect(streams[1]?.head.furtherHeaders).toEqual([["x-a", "1"]]);
    expect(streams[2]?.head.furtherHeaders).toEqual([
      ["user-agent", "mine"],
      ["grpc-timeout", "250m"],
    ]);
    expect(streams[2]?.head.headers).not.toContainEqual(["user-agent", expect.anything()]);
  });

  it("sends its message and the end of the request in one piece", async () => {
    const { client, streams } = scriptedCalls({ onStream: answerGrpc });
    await client.charge({ payload: new Uint8Array([1, 2]) });
    expect(streams[0]?.requestEnded).toBe(true);
    expect(streams[0]?.written.map((chunk) => Buffer.from(chunk).toString("hex"))).toEqual(["000000000412020102"]);
  });

  it.each(["grpc", "grpc-web", "connect"] as const)("takes a body in pieces of any size, %s", async (protocol) => {
    const payload = new Uint8Array(300).map((_, index) => index);
    const message = Buffer.concat([podMessage, Buffer.from("12ac02", "hex"), payload]);
    const body = {
      grpc: envelope(message),
      "grpc-web": Buffer.concat([envelope(message), envelope("grpc-status: 0\r\n", 0x80)]),
      connect: message,
    }[protocol];
    const type = { grpc: "application/grpc", "grpc-web": "application/grpc-web+proto", connect: "application/proto" };
    let size = 1;
    const { client } = scriptedCalls({
      protocol,
      onStream(stream) {
        stream.sendHeaders(200, [["content-type", type[protocol]]]);
        for (let at = 0; at < body.byteLength; at += size) stream.sendData(body.subarray(at, at + size));
        if (protocol === "grpc") stream.sendTrailers(grpcOk);
        stream.complete();
      },
    });
    for (; size <= body.byteLength; size++) {
      const answer = await client.ping({});
      expect(Buffer.compare(answer.payload, payload)).toBe(0);
      expect(answer.payload.constructor).toBe(Uint8Array);
    }
  });

  it("fails at its deadline in flight, although its server answers nothing", async () => {
    const all = outcomes();
    const { client, clock, streams } = scriptedCalls();
    const call = failureOf(client.charge({}, { timeoutMs: 100 }));
    await clock.advance(99);
    expect(streams[0]?.result).toBeUndefined();
    await clock.advance(1);
    expect((await call).message).toBe("[deadline_exceeded] the operation timed out");
    expect(streams[0]?.cancelReason).toMatchObject({ code: Code.DeadlineExceeded });
    expect(all).toEqual([{ code: 4, fate: "ambiguous", firstByteMs: undefined, durationMs: 100 }]);
  });

  it("fails at its deadline while it waits for a connection, and leaves the queue", async () => {
    const { client, clock, transport } = scriptedCalls({ connects: false });
    const call = failureOf(client.charge({}, { timeoutMs: 100 }));
    await clock.advance(0);
    expect(transport.channel.snapshot().queued).toBe(1);
    await clock.advance(100);
    expect(await call).toMatchObject({ code: Code.DeadlineExceeded, rawMessage: "the operation timed out" });
    expect(transport.channel.snapshot().queued).toBe(0);
  });

  it("is late when its server resets it late", async () => {
    const { client, clock, streams } = scriptedCalls();
    const call = failureOf(client.ping({}, { timeoutMs: 100 }));
    await clock.advance(50);
    // time passes, but our timer has not fired yet
    clock.now = () => 101;
    streams[0]?.break({ ...lost, errorCode: 8 });
    expect((await call).code).toBe(Code.DeadlineExceeded);
    expect(streams).toHaveLength(1);
  });

  it.each(["before", "in the queue", "in flight", "after"])("aborts %s", async (when) => {
    const { client, clock, streams, transport } = scriptedCalls({ connects: when !== "in the queue" });
    const abort = new AbortController();
    const reason = new Error("no longer wanted");
    if (when === "before") abort.abort(reason);
    const call = client.charge({}, { signal: abort.signal });
    const settled = when === "after" ? call : failureOf(call);
    await clock.advance(0);
    if (when === "after") {
      const [stream] = streams;
      if (stream !== undefined) answerGrpc(stream);
      await call;
    }
    abort.abort(reason);
    if (when === "after") expect(await settled).toMatchObject({ pod: "pod" });
    else expect(await settled).toMatchObject({ code: Code.Canceled, rawMessage: "no longer wanted", cause: reason });
    expect(streams).toHaveLength(when === "in flight" || when === "after" ? 1 : 0);
    expect(transport.channel.snapshot().queued).toBe(0);
    expect(transport.channel.snapshot().totals.attempts).toBe(streams.length);
  });

  it("sends what is left of its timeout with every attempt", async () => {
    const { client, clock, streams } = scriptedCalls();
    const call = client.charge({}, { timeoutMs: 1_000 });
    await clock.advance(300);
    streams[0]?.break(refused);
    await clock.advance(0);
    const [, second] = streams;
    if (second === undefined) throw new Error("no second attempt");
    answerGrpc(second);
    await call;
    expect(streams.map(headersOf).map((headers) => headers["grpc-timeout"])).toEqual(["1000m", "700m"]);
    expect(second.written).toEqual(streams[0]?.written);
  });

  it("tells its server what it has left when it waited for a connection", async () => {
    const { client, clock, connector, streams } = scriptedCalls({ connects: false, onStream: answerGrpc });
    const call = client.charge({}, { timeoutMs: 1_000 });
    await clock.advance(400.5);
    connector.connections[0]?.becomeReady();
    await call;
    expect(streams.map(headersOf).map((headers) => headers["grpc-timeout"])).toEqual(["600m"]);
  });

  it("fails, and is no unhandled rejection, when it cannot be begun after its message was compressed", async () => {
    const odd: Interceptor = (next) => (request) => {
      Object.assign(request, { header: { "no-headers": "1" } });
      return next(request);
    };
    const { client, clock } = scriptedCalls({ interceptors: [odd], sendCompression: copying });
    const call = failureOf(client.charge({ payload: new Uint8Array(2_000) }));
    await clock.advance(0);
    expect(await inTime(call, clock)).toMatchObject({ code: Code.Internal, rawMessage: "headers is not iterable" });
  });

  it.each(["grpc", "connect"] as const)("shows no Buffer where its response was compressed, %s", async (protocol) => {
    const message = gzipSync(Buffer.concat([podMessage, Buffer.from("12020102", "hex")]));
    const { client } = scriptedCalls({
      protocol,
      onStream(stream) {
        if (protocol === "connect") {
          const headers = [
            ["content-type", "application/proto"],
            ["content-encoding", "gzip"],
          ] as const;
          stream.respond({ headers, body: [message] });
        } else {
          const headers = [...grpcHead.headers, ["grpc-encoding", "gzip"]] as const;
          stream.respond({ headers, body: [envelope(message, 1)], trailers: grpcOk });
        }
        stream.complete();
      },
    });
    const { payload } = await client.ping({});
    expect([...payload]).toEqual([1, 2]);
    expect(payload.constructor).toBe(Uint8Array);
  });

  it("is unavailable when its transport is destroyed while it waits, whatever the error", async () => {
    const resolver = () => ({ resolveNow() {}, close() {} });
    const transport = createGrpcTransport({ baseUrl: "http://orders.test", resolver });
    const call = failureOf(createClient(DemoService, transport).charge({}));
    transport.destroy(new Error("we close"));
    expect(await call).toMatchObject({ code: Code.Unavailable, rawMessage: "we close" });
  });

  it("reports every attempt once, with its fate", async () => {
    const all = outcomes();
    const { client, clock, streams } = scriptedCalls();
    const call = client.ping({});
    await clock.advance(5);
    streams[0]?.break(refused);
    await clock.advance(0);
    streams[1]?.break(lost);
    await clock.advance(0);
    streams[2]?.sendHeaders(200, grpcHead.headers);
    await clock.advance(7);
    streams[2]?.sendData(envelope(podMessage));
    streams[2]?.sendTrailers(grpcOk);
    streams[2]?.complete();
    await call;
    expect(all).toEqual([
      { code: 14, fate: "unprocessed", firstByteMs: undefined, durationMs: 5 },
      { code: 14, fate: "ambiguous", firstByteMs: undefined, durationMs: 0 },
      { code: 0, fate: "answered", firstByteMs: 0, durationMs: 7 },
    ]);
  });

  it("aborts while it waits for its next attempt", async () => {
    const { client, clock, streams } = scriptedCalls();
    const abort = new AbortController();
    const call = failureOf(client.charge({}, { signal: abort.signal }));
    await clock.advance(0);
    streams[0]?.break(refused);
    await clock.advance(0);
    streams[1]?.break(refused);
    abort.abort();
    expect((await call).code).toBe(Code.Canceled);
    await clock.advance(10_000);
    expect(streams).toHaveLength(2);
  });

  it("lets a response that failed by its head end by itself, and cancels one that does not", async () => {
    const { client, clock, streams } = scriptedCalls();
    const calls = [1, 2, 3].map(() => failureOf(client.charge({})));
    await clock.advance(0);
    for (const stream of streams) stream.sendHeaders(503, []);
    for (const error of await Promise.all(calls)) expect(error.message).toBe("[unavailable] HTTP 503");
    streams[0]?.sendData(Buffer.from("<p>sorry"));
    streams[0]?.complete();
    streams[1]?.sendData(new Uint8Array(70_000));
    expect(streams.map(({ cancelReason }) => cancelReason !== undefined)).toEqual([false, true, false]);
    await clock.advance(1_000);
    expect(streams.map(({ cancelReason }) => cancelReason !== undefined)).toEqual([false, true, true]);
    expect(clock.pendingRef).toBe(0);
  });

  it("refuses a message that is too large as soon as its length is known", async () => {
    const { client, clock, streams } = scriptedCalls({ readMaxBytes: 100 });
    const call = failureOf(client.charge({}));
    await clock.advance(0);
    streams[0]?.sendHeaders(200, grpcHead.headers);
    streams[0]?.sendData(Buffer.from([0, 0, 0, 1, 0]));
    expect((await call).rawMessage).toBe("message size 256 is larger than configured readMaxBytes 100");
  });

  it("refuses a body without envelopes while it comes", async () => {
    const { client, clock, streams } = scriptedCalls({ readMaxBytes: 100, protocol: "connect" });
    const call = failureOf(client.charge({}));
    await clock.advance(0);
    streams[0]?.sendHeaders(200, [["content-type", "application/proto"]]);
    streams[0]?.sendData(new Uint8Array(60));
    streams[0]?.sendData(new Uint8Array(60));
    expect(await call).toMatchObject({
      code: Code.ResourceExhausted,
      rawMessage: "message size is larger than configured readMaxBytes 100",
    });
  });

  it("gives a response that may be spread, whose headers are made once", async () => {
    const { transport } = scriptedCalls({ onStream: answerGrpc });
    const response = await transport.unary(DemoService.method.charge, undefined, undefined, undefined, {});
    const copy = { ...response };
    expect(Object.keys(copy).toSorted()).toEqual(["header", "message", "method", "service", "stream", "trailer"]);
    expect(copy.header).toBe(response.header);
    expect(copy.header.get("content-type")).toBe("application/grpc+proto");
    expect(response.trailer.get("grpc-status")).toBe("0");
  });
});

describe("a streaming call", () => {
  it("holds its peer back until its reader comes", async () => {
    const { client, clock, streams } = scriptedCalls();
    const messages = client.count({})[Symbol.asyncIterator]();
    const first = messages.next();
    await clock.advance(0);
    const [stream] = streams;
    const padded = envelope(Buffer.concat([podMessage, Buffer.from("1a80fa01", "hex"), Buffer.alloc(32_000)]));
    stream?.sendHeaders(200, grpcHead.headers);
    await clock.advance(0);
    for (let count = 0; count < 3; count++) stream?.sendData(padded);
    expect(stream?.paused).toBe(false); // one has its reader
    stream?.sendData(padded);
    expect(stream?.paused).toBe(true);
    stream?.sendData(padded);
    stream?.sendTrailers(grpcOk);
    stream?.complete();
    await first;
    for (let count = 0; count < 4; count++) expect((await messages.next()).done).toBe(false);
    expect(stream?.paused).toBe(false);
    expect((await messages.next()).done).toBe(true);
  });

  it("holds its peer back, too, when messages have no bytes", async () => {
    const { transport, clock, streams } = scriptedCalls();
    const opening = transport.stream(DemoService.method.count, undefined, undefined, undefined, each({}));
    await clock.advance(0);
    const [stream] = streams;
    stream?.sendHeaders(200, grpcHead.headers);
    const messages = (await opening).message[Symbol.asyncIterator]();
    let sent = 0;
    for (; sent < 10_000 && stream?.paused === false; sent++) stream.sendData(envelope(""));
    expect(stream?.paused).toBe(true);
    for (let count = 0; count < sent; count++) expect((await messages.next()).done).toBe(false);
    expect(stream?.paused).toBe(false);
  });

  it("keeps the order of messages that come while the sender is let go on", async () => {
    const { transport, clock, streams } = scriptedCalls();
    const opening = transport.stream(DemoService.method.count, undefined, undefined, undefined, each({}));
    await clock.advance(0);
    const [stream] = streams;
    stream?.sendHeaders(200, grpcHead.headers);
    const messages = (await opening).message[Symbol.asyncIterator]();
    const numbered = (number: number): Uint8Array =>
      envelope(Buffer.concat([Buffer.from([0x10, number]), Buffer.from("1a80fa01", "hex"), Buffer.alloc(32_000)]));
    for (let number = 1; number <= 9; number++) stream?.sendData(numbered(number));
    expect(stream?.paused).toBe(true);
    stream?.sendTrailers(grpcOk);
    stream?.complete();
    const results = await Promise.all(Array.from({ length: 10 }, () => messages.next()));
    expect(results.map(({ done, value }) => (done === true ? "end" : value.number))).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9],
      "end",
    ]);
  });

  it("is late until its last message is read, as in Connect", async () => {
    const { clock, streams, transport } = scriptedCalls();
    const opening = transport.stream(DemoService.method.count, undefined, 100, undefined, each({}));
    await clock.advance(0);
    streams[0]?.respond({ ...grpcHead, body: [envelope(podMessage), envelope(podMessage)], trailers: grpcOk });
    streams[0]?.complete();
    const messages = (await opening).message[Symbol.asyncIterator]();
    expect((await messages.next()).done).toBe(false);
    await clock.advance(100);
    expect((await failureOf(messages.next())).code).toBe(Code.DeadlineExceeded);
    expect(transport.channel.snapshot().totals).toEqual({ attempts: 1, succeeded: 1, failed: 0 });
  });

  it("leaves no timer and no listener behind, however it ends", async () => {
    const { client, clock, streams, transport } = scriptedCalls();
    const { signal } = new AbortController();
    const listeners = (): number => getEventListeners(signal, "abort").length;
    const options = { signal, timeoutMs: 1_000 };
    const drain = async (): Promise<void> => {
      for await (const _ of client.count({}, options));
    };
    const calls = [drain(), drain(), drain(), drain(), client.charge({}, options), client.charge({}, options)].map(
      (call) => call.catch(() => {}),
    );
    await clock.advance(0);
    expect(listeners()).toBeGreaterThanOrEqual(6);
    for (const stream of [streams[0], streams[4]]) if (stream !== undefined) answerGrpc(stream);
    streams[1]?.respond({ ...grpcHead, trailers: [["grpc-status", "5"]] });
    streams[1]?.complete();
    streams[2]?.respond({ ...grpcHead, body: [envelope("\u0007\u0007")], trailers: grpcOk });
    streams[2]?.complete();
    streams[3]?.break(lost);
    streams[5]?.break(lost);
    await Promise.all(calls);
    const unread = await transport
      .stream(DemoService.method.count, signal, 1_000, { "x a": "1" }, each({}))
      .catch(() => "refused");
    expect(unread).toBe("refused");
    expect(listeners()).toBe(0);
    expect(clock.pending).toBe(1); // the channel's idleness
  });

  it("sends no faster than its peer takes, and tells its source when nobody reads on", async () => {
    const { client, clock, streams } = scriptedCalls({ onStream: (stream) => stream.block() });
    let made = 0;
    let returned = false;
    const source = (async function* () {
      try {
        for (; made < 100; made++) yield { number: made };
      } finally {
        returned = true;
      }
    })();
    const call = failureOf(client.collect(source));
    await clock.advance(0);
    expect(made).toBeLessThan(5);
    streams[0]?.respond({ ...grpcHead, trailers: [["grpc-status", "9"]] });
    streams[0]?.complete();
    expect((await call).code).toBe(Code.FailedPrecondition);
    await clock.advance(0);
    expect(returned).toBe(true);
    expect(made).toBeLessThan(5);
  });

  it("fails with the error of a source that cannot be read, and leaves nothing behind", async () => {
    const { client, clock, streams } = scriptedCalls();
    const { signal } = new AbortController();
    const locked = {
      [Symbol.asyncIterator](): AsyncIterator<never> {
        throw new TypeError("the stream is locked");
      },
    };
    const call = failureOf(client.collect(locked, { signal, timeoutMs: 100 }));
    await clock.advance(0);
    expect(await inTime(call, clock)).toMatchObject({ code: Code.Internal, rawMessage: "the stream is locked" });
    expect(streams.filter(({ result }) => result === undefined)).toEqual([]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await clock.advance(1_000);
    expect(clock.pendingRef).toBe(0);
  });

  it("fails with the error of its source, and cancels", async () => {
    const { client, clock, streams } = scriptedCalls();
    const source = (async function* () {
      yield { number: 1 };
      throw new Error("the source is dry");
    })();
    const call = failureOf(client.collect(source));
    await clock.advance(0);
    expect(await call).toMatchObject({ code: Code.Internal, rawMessage: "the source is dry" });
    expect(streams[0]?.cancelReason).toMatchObject({ rawMessage: "the source is dry" });
  });

  it("gives its reader what came before it broke", async () => {
    const { client, clock, streams } = scriptedCalls();
    const got: string[] = [];
    const reading = failureOf(
      (async () => {
        for await (const { pod } of client.count({})) got.push(pod);
      })(),
    );
    await clock.advance(0);
    streams[0]?.respond({ ...grpcHead, body: [envelope(podMessage), envelope(podMessage)] });
    streams[0]?.break(lost);
    expect((await reading).rawMessage).toMatch(/^it broke: the request was sent/);
    expect(got).toEqual(["pod", "pod"]);
  });

  it("stops at once when its caller aborts, whatever has come", async () => {
    const { client, clock, streams } = scriptedCalls();
    const abort = new AbortController();
    const got: string[] = [];
    const reading = failureOf(
      (async () => {
        for await (const { pod } of client.count({}, { signal: abort.signal })) {
          got.push(pod);
          abort.abort();
        }
      })(),
    );
    await clock.advance(0);
    streams[0]?.respond({ ...grpcHead, body: [envelope(podMessage), envelope(podMessage)], trailers: grpcOk });
    streams[0]?.complete();
    expect((await reading).code).toBe(Code.Canceled);
    expect(got).toEqual(["pod"]);
  });

  it("keeps the order of messages that are compressed and that are not", async () => {
    const slow = {
      name: "slow",
      compress: async (bytes: Uint8Array) => new Uint8Array(bytes),
      decompress: async (bytes: Uint8Array) => {
        for (let turn = 0; turn < 10; turn++) await undefined;
        return new Uint8Array(bytes);
      },
    };
    const numbered = (number: number): Uint8Array =>
      Buffer.concat([Buffer.from([0x10, number]), Buffer.from("1a80fa01", "hex"), Buffer.alloc(32_000)]);
    const { transport, clock, streams } = scriptedCalls({ acceptCompression: [slow] });
    const { count } = DemoService.method;
    const opening = transport.stream(count, undefined, undefined, undefined, each({}));
    await clock.advance(0);
    streams[0]?.sendHeaders(200, [...grpcHead.headers, ["grpc-encoding", "slow"]]);
    const messages = (await opening).message[Symbol.asyncIterator]();
    const reads = Array.from({ length: 10 }, () => messages.next());
    for (let number = 1; number <= 9; number++) {
      streams[0]?.sendData(envelope(numbered(number), number === 1 || number === 8 ? 1 : 0));
    }
    expect(streams[0]?.paused).toBe(true);
    streams[0]?.sendTrailers(grpcOk);
    streams[0]?.complete();
    const results = await Promise.all(reads);
    expect(results.map(({ done, value }) => (done === true ? "end" : value.number))).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9],
      "end",
    ]);
  });

  it("fails when a message is not decompressed in time, or its decompression throws", async () => {
    const never = { ...copying, decompress: () => new Promise<never>(() => {}) };
    const throwing = {
      ...copying,
      decompress(): never {
        throw new Error("no promise");
      },
    };
    for (const compression of [never, throwing]) {
      const { client, clock, streams } = scriptedCalls({ acceptCompression: [compression] });
      const messages = client.count({}, { timeoutMs: 100 })[Symbol.asyncIterator]();
      const first = failureOf(messages.next());
      await clock.advance(0);
      streams[0]?.sendHeaders(200, copyingHead);
      await clock.advance(0);
      streams[0]?.sendData(envelope(podMessage, 1));
      await clock.advance(100);
      const rawMessage = compression === never ? "the operation timed out" : "no promise";
      expect(await inTime(first, clock)).toMatchObject({ rawMessage });
    }
  });

  it("reads its messages in the asynchronous context of its caller, whenever it is sent", async () => {
    const { client, clock, connector, streams } = scriptedCalls({ connects: false });
    const tenant = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const source = (async function* () {
      for (let number = 1; number <= 2; number++) {
        seen.push(tenant.getStore());
        yield { number };
      }
    })();
    const call = tenant.run("mine", () => client.collect(source));
    await tenant.run("another", async () => {
      await clock.advance(10);
      connector.connections[0]?.becomeReady();
      await clock.advance(0);
    });
    expect(seen).toEqual(["mine", "mine"]);
    const [stream] = streams;
    if (stream !== undefined) answerGrpc(stream);
    await call;
  });

  it("reads no message for a stream that is over, while it waits for the next", async () => {
    const { client, clock, streams } = scriptedCalls();
    const pause = Promise.withResolvers<void>();
    const payload = new Uint8Array(10_000);
    const source = (async function* () {
      for (let number = 1; number <= 40; number++) {
        if (number === 3) await pause.promise;
        yield { number, payload };
      }
    })();
    const call = client.collect(source);
    await clock.advance(0);
    streams[0]?.break(refused);
    await clock.advance(0);
    streams[1]?.break(refused); // the next attempt is in a while
    pause.resolve();
    for (let turn = 0; turn < 10; turn++) await clock.advance(0);
    expect(streams.map(({ written }) => written.length)).toEqual([2, 2]);
    for (let turn = 0; turn < 10; turn++) await clock.advance(10);
    expect(streams[2]?.written).toHaveLength(40);
    expect(streams[2]?.written.slice(0, 2)).toEqual(streams[0]?.written);
    const [, , third] = streams;
    if (third !== undefined) answerGrpc(third);
    expect(await call).toMatchObject({ pod: "pod" });
  });

  it.each([undefined, copying])(
    "is sent again as it was, though its messages have changed, %j",
    async (compression) => {
      const options = compression === undefined ? {} : { sendCompression: compression };
      const { client, clock, streams } = scriptedCalls(options);
      const message = { number: 0, text: "", payload: new Uint8Array(2_000) };
      const source = (async function* () {
        for (let number = 1; number <= 3; number++) {
          message.number = number;
          message.payload.fill(number);
          yield message;
        }
      })();
      const call = client.collect(source);
      await clock.advance(0);
      streams[0]?.break(refused);
      await clock.advance(0);
      expect(streams[0]?.written).toHaveLength(3);
      expect(new Set(streams[0]?.written.map((bytes) => Buffer.from(bytes).toString("hex"))).size).toBe(3);
      expect(streams[1]?.written).toEqual(streams[0]?.written);
      const [, second] = streams;
      if (second !== undefined) answerGrpc(second);
      await call;
    },
  );

  it("is sent again from its first message, until its response begins", async () => {
    const { client, clock, streams } = scriptedCalls();
    const call = client.collect(each({ number: 1 }, { number: 2 }));
    await clock.advance(0);
    streams[0]?.break(refused);
    await clock.advance(0);
    expect(streams[1]?.written).toEqual(streams[0]?.written);
    expect(streams[1]?.written).toHaveLength(2);
    const [, second] = streams;
    if (second !== undefined) answerGrpc(second);
    expect(await call).toMatchObject({ pod: "pod" });
    const failing = failureOf(client.collect(each({ number: 1 })));
    await clock.advance(0);
    streams[2]?.sendHeaders(200, grpcHead.headers);
    streams[2]?.break(lost);
    expect((await failing).code).toBe(Code.Unavailable);
    expect(streams).toHaveLength(3);
  });
});
