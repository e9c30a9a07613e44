import { getEventListeners } from "node:events";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../../test-helpers/failure.ts";
import {
  compose,
  each,
  type Handler,
  numbers,
  reader,
  streamRequest,
  streamResponse,
  unaryRequest,
  unaryResponse,
} from "../../test-helpers/fake-rpc.ts";
import { protocols, serve } from "../../test-helpers/server.ts";
import { type ConcurrencyLimitOptions, concurrencyLimit } from "./concurrency-limit.ts";

const deadlineExceeded = new ConnectError("too late", Code.DeadlineExceeded);

/** A limit of two, and RPCs that end when they are told to. */
function two(options: ConcurrencyLimitOptions = {}) {
  const clock = new FakeClock();
  const limit = concurrencyLimit({ minLimit: 2, maxLimit: 2, clock, random: () => 0.5, ...options });
  const running: PromiseWithResolvers<void>[] = [];
  const call = compose([limit], async () => {
    const settlers = Promise.withResolvers<void>();
    running.push(settlers);
    await settlers.promise;
    return unaryResponse();
  });
  return { limit, call, running, clock };
}

describe("a concurrency limit", () => {
  test("rejects RPCs above the limit before their handler runs, and takes more when there is a place", async () => {
    const { limit, call, running } = two();
    const first = call(unaryRequest());
    const second = call(unaryRequest());
    const error = await failureOf(call(unaryRequest()));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toBe("the limit of 2 RPCs at a time is reached");
    expect(running).toHaveLength(2);
    expect(limit.snapshot()).toMatchObject({ limit: 2, inFlight: 2, begun: 2, rejected: 1, isProbing: false });
    running[0]?.resolve();
    await first;
    expect(limit.snapshot().inFlight).toBe(1);
    const third = call(unaryRequest());
    expect(running).toHaveLength(3);
    for (const { resolve } of running) resolve();
    await Promise.all([second, third]);
    expect(limit.snapshot().inFlight).toBe(0);
  });

  test.each([
    [0, "50"],
    [0.5, "100"],
    [0.999_999, "150"],
  ])("tells rejected clients how long to wait, with jitter (%d)", async (drawn, pushback) => {
    const { call } = two({ random: () => drawn });
    void call(unaryRequest());
    void call(unaryRequest());
    const { metadata } = await failureOf(call(unaryRequest()));
    expect(metadata.get("grpc-retry-pushback-ms")).toBe(pushback);
  });

  test.each([
    [{ retryPushbackMs: 2_000 }, "2000"],
    [{ retryPushbackMs: 0 }, "0"],
    [{ retryPushbackMs: -1 }, "-1"],
  ])("tells them what it is given: %o", async (options, pushback) => {
    const { call } = two(options);
    void call(unaryRequest());
    void call(unaryRequest());
    const { metadata } = await failureOf(call(unaryRequest()));
    expect(metadata.get("grpc-retry-pushback-ms")).toBe(pushback);
  });

  test("never limits health checks", async () => {
    const { limit, call } = two();
    void call(unaryRequest());
    void call(unaryRequest());
    const request = unaryRequest();
    const health = { ...request.service, typeName: "grpc.health.v1.Health" } as typeof request.service;
    void call({ ...request, service: health });
    expect(limit.snapshot()).toMatchObject({ inFlight: 2, rejected: 0 });
  });

  test("leaves out what it is told to leave out", async () => {
    const { limit, call, running } = two({ bypass: (request) => request.header.has("x-free") });
    for (let rpc = 0; rpc < 5; rpc++) void call(unaryRequest({ header: { "x-free": "1" } }));
    expect(running).toHaveLength(5);
    expect(limit.snapshot()).toMatchObject({ inFlight: 0, begun: 0 });
  });

  test("gives a place back when the RPC fails, also by a throw", async () => {
    const limit = concurrencyLimit();
    const thrown = new Error("thrown");
    const failing = compose([limit], () => {
      throw thrown;
    });
    await expect(failing(unaryRequest())).rejects.toBe(thrown);
    expect(limit.snapshot()).toMatchObject({ inFlight: 0, begun: 1, dropped: 0 });
  });

  test("gives a place back when the RPC is aborted, though its handler goes on", async () => {
    const { limit, call, running } = two();
    const abort = new AbortController();
    const rpc = call(unaryRequest({ signal: abort.signal }));
    expect(limit.snapshot().inFlight).toBe(1);
    abort.abort();
    expect(limit.snapshot().inFlight).toBe(0);
    running[0]?.resolve();
    await rpc;
    expect(limit.snapshot().inFlight).toBe(0);
  });

  test("gives no place to what was aborted before", async () => {
    const { limit, call, running } = two();
    const error = await failureOf(call(unaryRequest({ signal: AbortSignal.abort(deadlineExceeded) })));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect((await failureOf(call(unaryRequest({ signal: AbortSignal.abort() })))).code).toBe(Code.Canceled);
    expect(running).toHaveLength(0);
    expect(limit.snapshot()).toMatchObject({ inFlight: 0, begun: 0, rejected: 0 });
  });

  test("leaves no listener on the signal", async () => {
    const limit = concurrencyLimit({ streams: true });
    const { signal } = new AbortController();
    const call = compose([limit], async (request) => (request.stream ? streamResponse(numbers(2)) : unaryResponse()));
    await call(unaryRequest({ signal }));
    const messages = reader(await call(streamRequest({ signal })));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    while ((await messages.next()).done !== true);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

describe("what is too late", () => {
  /** How many RPCs were counted as too late, after one that ended like this. */
  async function dropped(end: (abort: AbortController, clock: FakeClock) => unknown, header?: HeadersInit) {
    const clock = new FakeClock();
    const limit = concurrencyLimit({ clock });
    const abort = new AbortController();
    const call = compose([limit], async () => {
      const error = await end(abort, clock);
      if (error !== undefined) throw error;
      return unaryResponse();
    });
    await call(unaryRequest({ signal: abort.signal, ...(header === undefined ? {} : { header }) })).catch(() => {});
    expect(limit.snapshot().inFlight).toBe(0);
    return limit.snapshot().dropped;
  }

  test("is an RPC that failed with DeadlineExceeded, or was aborted with it", async () => {
    expect(await dropped(() => deadlineExceeded)).toBe(1);
    expect(await dropped((abort) => abort.abort(deadlineExceeded))).toBe(1);
  });

  test.each([
    ["grpc-timeout", "200m"],
    ["grpc-timeout", "200000u"],
    ["connect-timeout-ms", "200"],
  ])("is one that its client cancelled when its %s was nearly over", async (name, value) => {
    const header = {
      [name]: value,
      "content-type": name.startsWith("grpc") ? "application/grpc" : "application/proto",
    };
    const cancelAfter = (ms: number) => (abort: AbortController, clock: FakeClock) => {
      clock.tick(ms);
      abort.abort(new ConnectError("gone", Code.Canceled));
    };
    expect(await dropped(cancelAfter(190), header)).toBe(1);
    expect(await dropped(cancelAfter(150), header)).toBe(0);
  });

  test("is neither one that was cancelled, nor one that failed otherwise", async () => {
    expect(await dropped((abort) => abort.abort())).toBe(0);
    expect(await dropped((abort) => abort.abort("gone"))).toBe(0);
    expect(await dropped(() => new Error("broken"))).toBe(0);
    expect(await dropped(() => new ConnectError("no", Code.InvalidArgument), { "connect-timeout-ms": "0" })).toBe(0);
  });
});

describe("streams", () => {
  test("have no place, unless that is asked for", async () => {
    const limit = concurrencyLimit();
    const call = compose([limit], async () => streamResponse(numbers(1)));
    await call(streamRequest());
    expect(limit.snapshot()).toMatchObject({ inFlight: 0, begun: 0 });
  });

  const withStreams = (handler: Handler) => {
    const clock = new FakeClock();
    const limit = concurrencyLimit({ streams: true, clock });
    return { limit, clock, call: compose([limit], handler), inFlight: () => limit.snapshot().inFlight };
  };

  test("have theirs to their end", async () => {
    const { call, inFlight } = withStreams(async () => streamResponse(numbers(2)));
    const messages = reader(await call(streamRequest()));
    for (let message = 0; message < 2; message++) {
      expect(inFlight()).toBe(1);
      await messages.next();
    }
    expect(inFlight()).toBe(1);
    expect((await messages.next()).done).toBe(true);
    expect(inFlight()).toBe(0);
  });

  test("give it back when they break", async () => {
    const { call, inFlight } = withStreams(async () =>
      streamResponse(
        (async function* () {
          yield {};
          throw new Error("broken");
        })(),
      ),
    );
    const messages = reader(await call(streamRequest()));
    await messages.next();
    await expect(messages.next()).rejects.toThrow("broken");
    expect(inFlight()).toBe(0);
  });

  test.each([0, 1])("give it back when their reader leaves after %d messages, and end their handler", async (read) => {
    let isLeft = false;
    const source = numbers(3);
    const { call, inFlight } = withStreams(async () =>
      streamResponse({
        [Symbol.asyncIterator]: () => ({
          next: () => source.next(),
          return: async () => {
            isLeft = true;
            return { done: true, value: undefined };
          },
        }),
      }),
    );
    const messages = reader(await call(streamRequest()));
    for (let message = 0; message < read; message++) await messages.next();
    await messages.return?.();
    expect(inFlight()).toBe(0);
    expect(isLeft).toBe(true);
  });

  test("give it back when they are aborted, also if nobody reads them", async () => {
    const { call, inFlight } = withStreams(async () => streamResponse(numbers(3)));
    const abort = new AbortController();
    await call(streamRequest({ signal: abort.signal }));
    expect(inFlight()).toBe(1);
    abort.abort();
    expect(inFlight()).toBe(0);
  });

  test("tell of the load by the time to their first message, unless that is their client's", async () => {
    for (const [method, rttMs] of [
      ["count", 30],
      ["collect", undefined],
      ["chat", undefined],
    ] as const) {
      const { call, clock, limit } = withStreams(async () =>
        streamResponse(
          (async function* () {
            clock.tick(30);
            yield {};
            clock.tick(1_000);
            yield {};
          })(),
        ),
      );
      const all = Array.from({ length: 20 }, () => call(streamRequest({}, method)));
      const readers = (await Promise.all(all)).map(reader);
      // one after another: each is 30 ms later than the one before
      for (const messages of readers) while ((await messages.next()).done !== true);
      for (let rpc = 0; rpc < 20; rpc++) await reader(await call(streamRequest({}, method))).next();
      expect(limit.snapshot().rttMs === undefined).toBe(rttMs === undefined);
    }
  });
});

describe.each(protocols)("over %s", (_, connect) => {
  test("a rejected client gets the code, the message and the pushback", async () => {
    const gate = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const limit = concurrencyLimit({ minLimit: 1, maxLimit: 1, random: () => 0.5 });
    const url = await serve(
      {
        async charge() {
          began.resolve();
          await gate.promise;
          return {};
        },
      },
      [limit],
    );
    const client = createClient(DemoService, connect(url));
    const first = client.charge({});
    await began.promise;
    const error = await failureOf(client.charge({}));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toBe("the limit of 1 RPCs at a time is reached");
    expect(error.metadata.get("grpc-retry-pushback-ms")).toBe("100");
    gate.resolve();
    await first;
    expect(limit.snapshot()).toMatchObject({ inFlight: 0, begun: 1, rejected: 1 });
  });

  test("streams give their places back, when they end and when their client cancels", async () => {
    const limit = concurrencyLimit({ streams: true });
    const url = await serve(
      {
        async *count({ to }, { signal }) {
          yield { number: 1 };
          if (to > 1) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        collect: async (messages) => {
          for await (const _ of messages);
          return { received: 1 };
        },
      },
      [limit],
    );
    const client = createClient(DemoService, connect(url));
    for await (const _ of client.count({ to: 1 }));
    await client.collect(each({ number: 1 }));
    const abort = new AbortController();
    await failureOf(
      (async () => {
        for await (const _ of client.count({ to: 2 }, { signal: abort.signal })) {
          expect(limit.snapshot().inFlight).toBe(1);
          abort.abort();
        }
      })(),
    );
    await expect.poll(() => limit.snapshot().inFlight).toBe(0);
    expect(limit.snapshot().begun).toBe(3);
  });
});

describe("options", () => {
  test("defaults", () => {
    expect(concurrencyLimit().snapshot()).toEqual({
      limit: 20,
      inFlight: 0,
      isProbing: false,
      rttMs: undefined,
      baseMs: undefined,
      begun: 0,
      rejected: 0,
      dropped: 0,
    });
    expect(concurrencyLimit({ minLimit: 50 }).snapshot().limit).toBe(50);
    expect(concurrencyLimit({ maxLimit: 10 }).snapshot().limit).toBe(10);
  });

  test.each([
    [{ minLimit: 0 }, RangeError, "minLimit: expected an integer from 1 to 1000000 RPCs, got 0"],
    [{ minLimit: 1.5 }, RangeError, "minLimit: expected an integer"],
    [{ minLimit: "5" }, TypeError, "minLimit: expected an integer from 1 to 1000000 RPCs, got 5"],
    [{ maxLimit: 4 }, RangeError, "maxLimit: expected an integer from 5 to 1000000 RPCs, got 4"],
    [{ maxLimit: Number.NaN }, RangeError, "maxLimit"],
    [{ initialLimit: 4 }, RangeError, "initialLimit: expected an integer from 5 to 1000 RPCs, got 4"],
    [{ tolerance: 0.9 }, RangeError, "tolerance: expected a number from 1 to 10, got 0.9"],
    [{ smoothing: 0 }, RangeError, "smoothing: expected a number from 0.01 to 1, got 0"],
    [{ probeIntervalMs: 99 }, RangeError, "probeIntervalMs: expected a number from 100 to 2147483647 milliseconds"],
    [{ retryPushbackMs: -2 }, RangeError, "retryPushbackMs: expected an integer from -1 to 3600000 milliseconds"],
    [{ streams: 1 }, TypeError, "streams: expected a boolean, got 1"],
    [{ bypass: true }, TypeError, "bypass: expected a function, got true"],
    [{ clock: {} }, TypeError, "clock: expected a clock"],
    [{ random: 4 }, TypeError, "random: expected a function, got 4"],
    [{ maxlimit: 4 }, TypeError, "maxlimit: no option of concurrencyLimit, which has initialLimit, minLimit"],
  ])("%o throws", (options, type, message) => {
    const create = () => concurrencyLimit(options as ConcurrencyLimitOptions);
    expect(create).toThrow(type);
    expect(create).toThrow(message);
  });
});
