import { getEventListeners } from "node:events";
import { Code, ConnectError, createClient, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { until } from "../test-helpers/raw-client.ts";
import { endOldStreams, streamEndTrailer } from "./end-old-streams.ts";
import { streamAgeSignal } from "./interceptor.ts";
import { createLifecycle } from "./server-lifecycle.ts";

type Count = (context: HandlerContext) => AsyncIterable<{ number: number }>;

function setUp(count: Count, maxStreamAgeMs = 1_000) {
  const clock = new FakeClock();
  const lifecycle = createLifecycle({ maxStreamAgeMs, clock, random: () => 0.5 });
  const transport = createRouterTransport(
    (router) =>
      router.service(DemoService, {
        count: (_, context) => count(context),
        ping: (_, context) => {
          expect(context.values.get(streamAgeSignal)).toBe(streamAgeSignal.defaultValue);
          return {};
        },
      }),
    { router: { interceptors: [lifecycle.interceptor, endOldStreams({ graceMs: 500, clock })] } },
  );
  const client = createClient(DemoService, transport);
  const numbers: number[] = [];
  const read = async (): Promise<"end" | ConnectError> => {
    try {
      for await (const { number } of client.count({})) numbers.push(number);
      return "end";
    } catch (error) {
      return ConnectError.from(error);
    }
  };
  return { clock, client, lifecycle, numbers, read };
}

const forever = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve()));

test("a handler that observes the hint ends its stream as it likes", async () => {
  const { clock, lifecycle, numbers, read } = setUp(async function* (context) {
    yield { number: 1 };
    await forever(context.values.get(streamAgeSignal));
    yield { number: 2 };
  });
  const outcome = read();
  await until("the first message", () => numbers.length === 1);
  await clock.advance(999);
  expect(numbers).toEqual([1]);
  await clock.advance(1);
  expect(await outcome).toBe("end");
  expect(numbers).toEqual([1, 2]);
  expect(lifecycle.snapshot().rpcsInFlight).toBe(0);
  expect(clock.pending).toBe(0);
});

test("one that does not is cut after the grace, with Unavailable and the marker, and is told by its signal", async () => {
  let aborted = false;
  const { clock, lifecycle, numbers, read } = setUp(async function* (context) {
    context.signal.addEventListener("abort", () => {
      aborted = true;
    });
    yield { number: 1 };
    await forever(context.signal);
  });
  const outcome = read();
  await until("the first message", () => numbers.length === 1);
  await clock.advance(1_499);
  expect(lifecycle.snapshot().rpcsInFlight).toBe(1);
  await clock.advance(1);
  const error = await outcome;
  expect(error).toBeInstanceOf(ConnectError);
  const { code, metadata } = error as ConnectError;
  expect([code, metadata.get(streamEndTrailer)]).toEqual([Code.Unavailable, "max-age"]);
  await until("the handler is told", () => aborted);
  expect(lifecycle.snapshot().rpcsInFlight).toBe(0);
  expect(clock.pending).toBe(0);
});

test("a busy stream is cut between two messages; none is lost before it, and nothing is collected", async () => {
  let listeners = -1;
  const { clock, numbers, read } = setUp(async function* (context) {
    for (let number = 1; ; number++) {
      yield { number };
      listeners = getEventListeners(context.values.get(streamAgeSignal), "abort").length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const outcome = read();
  await until("many messages", () => numbers.length > 200);
  expect(listeners).toBe(1);
  await clock.advance(1_500);
  expect(await outcome).toBeInstanceOf(ConnectError);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

test("streams that end before, and unary RPCs, are as they were", async () => {
  const { clock, client, read, numbers } = setUp(async function* () {
    yield { number: 1 };
  });
  expect(await read()).toBe("end");
  expect(numbers).toEqual([1]);
  await client.ping({});
  expect(clock.pending).toBe(0);
});

test("a handler's own error passes", async () => {
  const { read } = setUp(async function* () {
    yield { number: 1 };
    throw new ConnectError("broken", Code.DataLoss);
  });
  expect(await read()).toMatchObject({ code: Code.DataLoss, rawMessage: "broken" });
});

test("without a maximum age there is no hint and no timer", async () => {
  const { clock, read } = setUp(async function* (context) {
    expect(context.values.get(streamAgeSignal)).toBe(streamAgeSignal.defaultValue);
    expect(clock.pending).toBe(0);
    yield { number: 1 };
  }, Number.POSITIVE_INFINITY);
  expect(await read()).toBe("end");
});

test("the grace is checked", () => {
  expect(() => endOldStreams({ graceMs: -1 })).toThrow(RangeError);
  expect(() => endOldStreams({ graceMs: "1" } as object)).toThrow("graceMs must be a number from 0 to 2147483647");
});
