import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { ScriptedStream } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
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

const unaryRequest = [
  "contextValues",
  "header",
  "message",
  "method",
  "requestMethod",
  "service",
  "signal",
  "stream",
  "url",
];

describe("an interceptor", () => {
  it("sees the request that is sent, as an object of its own properties", async () => {
    const requests: (UnaryRequest | StreamRequest)[] = [];
    const key = createContextKey("none");
    const note: Interceptor = (next) => (request) => {
      requests.push(request);
      return next({ ...request });
    };
    const { client } = scriptedCalls({ interceptors: [note], onStream: answerGrpc });
    const options = {
      headers: { "X-A": "1" },
      timeoutMs: 5_000,
      contextValues: createContextValues().set(key, "some"),
    };
    await client.charge({ payload: new Uint8Array([1]) }, options);
    for await (const _ of client.count({ to: 1 }, options)) break;
    expect(requests.map((request) => Object.keys(request).toSorted())).toEqual([unaryRequest, unaryRequest]);
    const [unary] = requests;
    expect(unary).toMatchObject({
      stream: false,
      requestMethod: "POST",
      url: "http://orders.test/demo.v1.DemoService/Charge",
      service: DemoService,
      method: DemoService.method.charge,
      message: { $typeName: "demo.v1.ChargeRequest" },
    });
    expect(unary?.contextValues.get(key)).toBe("some");
    expect(Object.fromEntries(unary?.header ?? [])).toEqual({
      "content-type": "application/grpc+proto",
      "grpc-accept-encoding": "gzip,br",
      "grpc-timeout": "5000m",
      te: "trailers",
      "user-agent": expect.stringContaining("evenkeel"),
      "x-a": "1",
    });
  });

  it("changes what is sent: headers, message, URL", async () => {
    const change: Interceptor = (next) => (request) => {
      if (request.stream) return next(request);
      const header = new Headers(request.header);
      header.set("user-agent", "mine");
      header.set("x-b", "2");
      header.delete("grpc-accept-encoding");
      header.set("grpc-timeout", "7S");
      const message = { ...request.message, payload: new Uint8Array([9]) };
      return next({ ...request, header, message, url: "http://orders.test/other/Path?x=1" });
    };
    const { client, streams } = scriptedCalls({ interceptors: [change], onStream: answerGrpc });
    await client.charge({}, { timeoutMs: 1_000 });
    const [stream] = streams;
    if (stream === undefined) throw new Error("no stream");
    expect(stream.head.path).toBe("/other/Path?x=1");
    expect(headersOf(stream)).toEqual({
      "content-type": "application/grpc+proto",
      "grpc-timeout": "7S",
      te: "trailers",
      "user-agent": "mine",
      "x-b": "2",
    });
    expect(Buffer.from(stream.written[0] ?? []).toString("hex")).toBe("0000000003120109");
  });

  it("that changes nothing leaves the shared list of headers as it is", async () => {
    const add: Interceptor = (next) => (request) => {
      request.header.set("x-b", "2");
      return next(request);
    };
    const { client, streams } = scriptedCalls({ interceptors: [add], onStream: answerGrpc });
    await client.charge({}, { timeoutMs: 1_000 });
    await client.charge({});
    expect(streams[1]?.head.headers).toBe(streams[0]?.head.headers);
    expect(streams[0]?.head.furtherHeaders).toEqual([
      ["x-b", "2"],
      ["grpc-timeout", "1000m"],
    ]);
  });

  it("may answer itself, swallow an error, or send more than once", async () => {
    const { method } = DemoService;
    const answered: Interceptor = () => async (request) =>
      ({
        stream: false,
        service: request.service,
        method: method.charge,
        header: new Headers({ "x-from": "cache" }),
        trailer: new Headers(),
        message: { $typeName: "demo.v1.ChargeResponse", pod: "cache", payload: new Uint8Array() },
      }) as UnaryResponse;
    const own = scriptedCalls({ interceptors: [answered] });
    expect(await own.client.charge({})).toMatchObject({ pod: "cache" });
    expect(own.streams).toHaveLength(0);

    const again: Interceptor = (next) => async (request) => {
      const first = await next(request).catch((error: unknown) => ConnectError.from(error));
      expect(first).toMatchObject({ code: Code.ResourceExhausted });
      return next(request);
    };
    let calls = 0;
    const { client, streams } = scriptedCalls({
      interceptors: [again],
      onStream: (stream) => {
        if (++calls > 1) answerGrpc(stream);
        else {
          stream.respond({ ...grpcHead, trailers: [["grpc-status", "8"]] });
          stream.complete();
        }
      },
    });
    expect(await client.charge({})).toMatchObject({ pod: "pod" });
    expect(streams).toHaveLength(2);
  });

  it("that sends twice and takes the first answer leaves nothing under way", async () => {
    const hedge: Interceptor = (next) => (request) => Promise.race([next(request), next(request)]);
    const { client, clock, streams, transport } = scriptedCalls({ interceptors: [hedge] });
    const call = client.charge({}, { timeoutMs: 100 });
    await clock.advance(0);
    const [first] = streams;
    if (first !== undefined) answerGrpc(first);
    expect(await call).toMatchObject({ pod: "pod" });
    expect(streams[1]?.cancelReason).toMatchObject({ code: Code.Canceled, rawMessage: "This operation was aborted" });
    expect(transport.channel.snapshot()).toMatchObject({
      totals: { attempts: 2, succeeded: 1, failed: 1 },
      endpoints: [{ connection: { inFlight: 0 } }],
    });
  });

  it("that gives up leaves nothing under way, and cannot send any more", async () => {
    let send = (): Promise<unknown> => Promise.resolve();
    const impatient: Interceptor = (next) => (request) => {
      send = () => next(request);
      const late = Promise.reject(new ConnectError("I wait no longer", Code.Aborted));
      return Promise.race([next(request), late]);
    };
    const { client, clock, streams } = scriptedCalls({ interceptors: [impatient] });
    const error = await failureOf(client.charge({}));
    expect(error).toMatchObject({ code: Code.Aborted });
    expect(streams[0]?.cancelReason).toBe(error);
    const later = failureOf(send());
    await clock.advance(0);
    expect(await later).toBe(error);
    expect(streams).toHaveLength(1);
  });

  it("may write a URL as URLs are written, and not what is none", async () => {
    let url = "http://orders.test/demo.v1.DemoService/Charge?tenant=\u00fc b";
    const change: Interceptor = (next) => (request) => {
      Object.assign(request, { url });
      return next(request);
    };
    const { client, streams } = scriptedCalls({ interceptors: [change], onStream: answerGrpc });
    await client.charge({});
    expect(streams[0]?.head.path).toBe("/demo.v1.DemoService/Charge?tenant=%C3%BC%20b");
    url = "nonsense";
    expect((await failureOf(client.charge({}))).rawMessage).toBe("Invalid URL");
  });

  it("gets a response that it may spread and change", async () => {
    const change: Interceptor = (next) => async (request) => {
      const response = await next(request);
      response.header.set("x-seen", "yes");
      return { ...response };
    };
    const { client } = scriptedCalls({ interceptors: [change], onStream: answerGrpc });
    const headers: Headers[] = [];
    await client.charge({}, { onHeader: (header) => headers.push(header) });
    expect(headers[0]?.get("x-seen")).toBe("yes");
  });

  it("is outermost when it is first", async () => {
    const order: string[] = [];
    const named =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        order.push(name);
        const response = await next(request);
        order.push(`${name} done`);
        return response;
      };
    const { client } = scriptedCalls({ interceptors: [named("a"), named("b")], onStream: answerGrpc });
    await client.charge({});
    expect(order).toEqual(["a", "b", "b done", "a done"]);
  });
});

describe("the signal of a request", () => {
  async function signalOf(
    end: (stream: ScriptedStream | undefined, abort: AbortController) => Promise<void> | void,
    timeoutMs?: number,
  ): Promise<{ before: boolean; after: boolean; reason: unknown; error: unknown }> {
    let signal: AbortSignal | undefined;
    const look: Interceptor = (next) => (request) => {
      signal = request.signal;
      return next(request);
    };
    const { client, clock, streams } = scriptedCalls({ interceptors: [look] });
    const abort = new AbortController();
    const call = client
      .charge({}, { signal: abort.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
      .then(() => undefined)
      .catch((error: unknown) => error);
    await clock.advance(0);
    const before = signal?.aborted ?? true;
    await end(streams[0], abort);
    await clock.advance(1_000);
    return { before, error: await call, after: signal?.aborted ?? false, reason: signal?.reason };
  }

  it("aborts at the deadline", async () => {
    const { before, after, reason, error } = await signalOf(() => {}, 100);
    expect({ before, after }).toEqual({ before: false, after: true });
    expect(reason).toMatchObject({ code: Code.DeadlineExceeded, rawMessage: "the operation timed out" });
    expect(error).toBe(reason);
  });

  it("aborts with its caller's, and its reason", async () => {
    const why = new Error("enough");
    const { after, reason, error } = await signalOf((_, abort) => abort.abort(why));
    expect({ after, reason }).toEqual({ after: true, reason: why });
    expect(error).toMatchObject({ code: Code.Canceled, rawMessage: "enough" });
  });

  it("aborts when the call is over, for those who still listen", async () => {
    const done = await signalOf((stream) => {
      if (stream !== undefined) answerGrpc(stream);
    });
    expect(done).toMatchObject({ before: false, after: true, error: undefined, reason: { name: "AbortError" } });
    const failed = await signalOf((stream) => stream?.respond({ status: 503 }));
    expect(failed.reason).toBe(failed.error);
    expect(failed.error).toMatchObject({ code: Code.Unavailable });
  });

  it("may be another one: then that one counts", async () => {
    const other = new AbortController();
    const replace: Interceptor = (next) => (request) => next({ ...request, signal: other.signal });
    const { client, clock, streams } = scriptedCalls({ interceptors: [replace] });
    const call = failureOf(client.charge({}, { timeoutMs: 100 }));
    await clock.advance(200);
    expect(streams[0]?.result).toBeUndefined();
    expect(headersOf(streams[0] as ScriptedStream)["grpc-timeout"]).toBe("100m");
    other.abort(new Error("other"));
    expect(streams[0]?.cancelReason).toMatchObject({ rawMessage: "other" });
    expect((await call).code).toBe(Code.DeadlineExceeded);
  });
});

describe("an interceptor of a stream", () => {
  const shout: Interceptor = (next) => async (request) => {
    if (!request.stream) return next(request);
    const { message } = request;
    const response = await next({
      ...request,
      message: (async function* () {
        for await (const each of message) yield { ...each, text: "changed" };
      })(),
    });
    if (!response.stream) return response;
    const answers = response.message;
    const all = (async function* () {
      for await (const each of answers) yield { ...each, pod: "changed" };
    })();
    return { ...response, message: all };
  };

  it("changes messages both ways, and its trailers come with the end", async () => {
    const { client, clock, streams } = scriptedCalls({ interceptors: [shout] });
    const pods: string[] = [];
    const trailers: Headers[] = [];
    const chat = client.chat(
      (async function* () {
        yield { text: "a" };
      })(),
      { onTrailer: (trailer) => trailers.push(trailer) },
    );
    const reading = (async () => {
      for await (const { pod } of chat) pods.push(pod);
    })();
    await clock.advance(0);
    expect(Buffer.from(streams[0]?.written[0] ?? []).toString()).toContain("changed");
    streams[0]?.respond({ ...grpcHead, body: [envelope(podMessage)], trailers: [...grpcOk, ["x-t", "1"]] });
    streams[0]?.complete();
    await reading;
    expect(pods).toEqual(["changed"]);
    expect(trailers[0]?.get("x-t")).toBe("1");
  });

  it("that refuses a response cancels it", async () => {
    const held: unknown[] = [];
    const refuse: Interceptor = (next) => async (request) => {
      held.push(await next(request));
      throw new ConnectError("not this one", Code.DataLoss);
    };
    const { client, clock, streams, transport } = scriptedCalls({ interceptors: [refuse] });
    const reading = failureOf(client.count({}, { timeoutMs: 100 })[Symbol.asyncIterator]().next());
    await clock.advance(0);
    streams[0]?.sendHeaders(200, grpcHead.headers);
    expect((await reading).code).toBe(Code.DataLoss);
    expect(streams[0]?.cancelReason).toMatchObject({ code: Code.DataLoss });
    expect(transport.channel.snapshot().endpoints[0]?.connection?.inFlight).toBe(0);
    expect(clock.pendingRef).toBe(0);
  });

  it("that ends a response before its end cancels it", async () => {
    const first: Interceptor = (next) => async (request) => {
      const response = await next(request);
      if (!response.stream) return response;
      const messages = response.message[Symbol.asyncIterator]();
      const one = (async function* () {
        const { done, value } = await messages.next();
        if (done !== true) yield value;
      })();
      return { ...response, message: one };
    };
    const { client, clock, streams } = scriptedCalls({ interceptors: [first] });
    const messages = client.count({})[Symbol.asyncIterator]();
    const reading = messages.next();
    await clock.advance(0);
    streams[0]?.respond({ ...grpcHead, body: [envelope(podMessage), envelope(podMessage)] });
    expect((await reading).done).toBe(false);
    expect((await messages.next()).done).toBe(true);
    expect(streams[0]?.cancelReason).toMatchObject({ code: Code.Canceled });
  });

  it("that answers nothing, or nothing that can be read, leaves nothing behind", async () => {
    const answers = [undefined, { message: undefined }, { message: { [Symbol.asyncIterator]: () => ({}) } }];
    for (const answer of answers) {
      const odd: Interceptor = () => async () => answer as never;
      const { client, clock } = scriptedCalls({ interceptors: [odd] });
      const error = await client
        .count({}, { timeoutMs: 100 })
        [Symbol.asyncIterator]()
        .next()
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      expect(clock.pendingRef).toBe(0);
    }
  });

  it("that does not read the request leaves it to be told of the end", async () => {
    const told: string[] = [];
    const noted = (what: string) => async (): Promise<IteratorResult<never>> => {
      told.push(what);
      return { done: true, value: undefined };
    };
    const iterator = { next: noted("next"), throw: noted("throw"), return: noted("return") };
    const refuse: Interceptor = () => async () => {
      throw new ConnectError("not today", Code.Unavailable);
    };
    const { client } = scriptedCalls({ interceptors: [refuse] });
    await failureOf(client.collect({ [Symbol.asyncIterator]: () => iterator }));
    expect(told).toEqual(["throw", "return"]);
  });

  it("does not stand between an abort and the source of the request", async () => {
    const { client, clock } = scriptedCalls({ interceptors: [shout] });
    const abort = new AbortController();
    let seen: unknown;
    const source = (async function* () {
      try {
        for (;;) {
          yield { text: "a" };
          await new Promise<void>((resolve) => abort.signal.addEventListener("abort", () => resolve()));
        }
      } catch (error) {
        seen = error;
      }
    })();
    const reading = failureOf(
      (async () => {
        for await (const _ of client.chat(source, { signal: abort.signal }));
      })(),
    );
    await clock.advance(0);
    abort.abort();
    expect((await reading).code).toBe(Code.Canceled);
    await clock.advance(0);
    expect(seen).toMatchObject({ code: Code.Canceled });
  });
});
