import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import { type BalancedTransport, createConnectTransport } from "@evenkeel/connect";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../../test-helpers/failure.ts";
import {
  compose,
  each,
  numbers,
  reader,
  streamRequest,
  streamResponse,
  unaryRequest,
  unaryResponse,
} from "../../test-helpers/fake-rpc.ts";
import { type Connect, http1, type Implementation, protocols, serve } from "../../test-helpers/server.ts";
import { requestTimeoutMs } from "../request-timeout.ts";
import { deadline } from "./deadline.ts";
import { type IncomingCall, incomingCall, withoutDeadline } from "./incoming-call.ts";
import { type PropagateDeadlineOptions, propagateDeadline } from "./propagate-deadline.ts";

const never = Number.POSITIVE_INFINITY;
const minute = 60_000;

/** Runs `work` as a handler of an incoming call does. */
function within<T>(call: Partial<IncomingCall>, work: () => T): T {
  return incomingCall.run({ deadlineMs: never, signal: new AbortController().signal, ...call }, work);
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

const open: Implementation = {
  ping: (_, { signal }) => untilAborted(signal),
  async *count(_, { signal }) {
    yield {};
    await untilAborted(signal);
  },
};

describe.each<readonly [string, Connect]>([...protocols, ["evenkeel Connect on HTTP/1.1", http1]])(
  "over %s",
  (name, connect) => {
    const httpVersion = name.endsWith("1.1") ? "1.1" : "2";

    /** A client with the interceptor, and the timeouts that its server is told. */
    async function outgoing(implementation: Implementation, options: PropagateDeadlineOptions = {}) {
      const told: (number | undefined)[] = [];
      const url = await serve(
        implementation,
        [
          (next) => (request) => {
            told.push(requestTimeoutMs(request.header));
            return next(request);
          },
        ],
        httpVersion,
      );
      return { told, client: createClient(DemoService, connect(url, [propagateDeadline(options)])) };
    }
    const easy: Implementation = { ping: () => ({}), count: () => numbers(2) };

    test("the server is told the earlier of the two deadlines, less the margin", async () => {
      const clock = new FakeClock();
      const { told, client } = await outgoing(easy, { clock, marginMs: 100 });
      const call = async (timeoutMs?: number) => {
        const options = timeoutMs === undefined ? {} : { timeoutMs };
        await client.ping({}, options);
        for await (const _ of client.count({}, options));
      };
      await within({ deadlineMs: minute }, () => call());
      await within({ deadlineMs: minute }, () => call(2 * minute));
      await within({ deadlineMs: minute }, () => call(50_000));
      await within({}, () => call());
      await call(2 * minute);
      expect(told.slice(0, 4)).toEqual([59_900, 59_900, 59_900, 59_900]);
      for (const ms of told.slice(4, 6)) expect(Math.abs((ms ?? 0) - 50_000)).toBeLessThan(5_000);
      expect(told.slice(6, 8)).toEqual([undefined, undefined]);
      for (const ms of told.slice(8)) expect(Math.abs((ms ?? 0) - 2 * minute)).toBeLessThan(5_000);
      expect(clock.pending).toBe(0);
    });

    test("the call fails with DeadlineExceeded at it", async () => {
      const clock = new FakeClock();
      const { client } = await outgoing(open, { clock });
      const unary = within({ deadlineMs: minute }, () => client.ping({}));
      const stream = within({ deadlineMs: minute }, async () => {
        for await (const _ of client.count({}, { timeoutMs: 2 * minute })) await clock.advance(minute);
      });
      for (const error of [await failureOf(stream), await failureOf(unary)]) {
        expect(error.code).toBe(Code.DeadlineExceeded);
        expect(error.rawMessage).toBe("the deadline of the incoming RPC leaves no more time");
      }
      expect(clock.pending).toBe(0);
    });

    test("its own deadline stays its own", async () => {
      const clock = new FakeClock();
      const { client } = await outgoing(open, { clock });
      const error = await failureOf(within({ deadlineMs: minute }, () => client.ping({}, { timeoutMs: 30 })));
      expect(error.code).toBe(Code.DeadlineExceeded);
      expect(clock.pending).toBe(0);
    });

    test("its caller can cancel it", async () => {
      const { client } = await outgoing(open);
      const abort = new AbortController();
      const { signal } = new AbortController();
      const stream = within({ signal }, async () => {
        for await (const _ of client.count({}, { signal: abort.signal })) abort.abort();
      });
      expect((await failureOf(stream)).code).toBe(Code.Canceled);
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    });

    test("the call is cancelled with the incoming one, and its server learns of it", async () => {
      const ended: string[] = [];
      const { client } = await outgoing({
        async *count(_, { signal }) {
          signal.addEventListener("abort", () => ended.push("count"));
          yield {};
          await untilAborted(signal);
        },
      });
      const incoming = new AbortController();
      const gone = new ConnectError("gone", Code.Canceled);
      const stream = within({ signal: incoming.signal }, async () => {
        for await (const _ of client.count({})) incoming.abort(gone);
      });
      const error = await failureOf(stream);
      expect(error.code).toBe(Code.Canceled);
      expect(error.rawMessage).toBe("the incoming RPC was cancelled, or has ended");
      expect(error.cause).toBe(gone);
      await expect.poll(() => ended).toEqual(["count"]);
    });

    test("the call ends with the incoming one's deadline also where that is noticed elsewhere first", async () => {
      const { client } = await outgoing(open);
      const incoming = new AbortController();
      const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
      const stream = within({ signal: incoming.signal }, async () => {
        for await (const _ of client.count({})) incoming.abort(late);
      });
      const error = await failureOf(stream);
      expect(error.code).toBe(Code.DeadlineExceeded);
      expect(error.rawMessage).toBe("the deadline of the incoming RPC passed");
    });

    test("nothing is left on a signal that lives on", async () => {
      const clock = new FakeClock();
      const { client } = await outgoing(easy, { clock });
      const { signal } = new AbortController();
      await within({ signal, deadlineMs: minute }, async () => {
        await Promise.all(Array.from({ length: 20 }, () => client.ping({})));
        for await (const _ of client.count({}));
      });
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    });

    test("from server to server", async () => {
      const told: (number | undefined)[] = [];
      const cancelled: string[] = [];
      const began = Promise.withResolvers<void>();
      const backUrl = await serve(
        {
          charge: (_, { timeoutMs }) => {
            told.push(timeoutMs());
            return {};
          },
          ping: (_, { signal }) => {
            signal.addEventListener("abort", () => cancelled.push("back"));
            began.resolve();
            return untilAborted(signal);
          },
        },
        [],
        httpVersion,
      );
      const back = createClient(DemoService, connect(backUrl, [propagateDeadline({ marginMs: 1_000 })]));
      const frontUrl = await serve(
        {
          charge: () => back.charge({}),
          async *count() {
            for (let step = 0; step < 3; step++) {
              await sleep(1);
              await back.charge({});
              yield {};
            }
          },
          ping: () => back.ping({}),
        },
        [deadline()],
        httpVersion,
      );
      const front = createClient(DemoService, connect(frontUrl));
      await front.charge({}, { timeoutMs: minute });
      for await (const _ of front.count({}, { timeoutMs: minute }));
      await front.charge({});
      expect(told).toHaveLength(5);
      for (const ms of told.slice(0, 4)) expect(Math.abs((ms ?? 0) - 59_000)).toBeLessThan(5_000);
      expect(told[4]).toBeUndefined();
      const abort = new AbortController();
      const call = failureOf(front.ping({}, { signal: abort.signal }));
      await began.promise;
      abort.abort();
      await call;
      await expect.poll(() => cancelled).toEqual(["back"]);
    });
  },
);

test.each([
  ["connect-node", node.createConnectTransport],
  ["evenkeel", createConnectTransport],
] as const)("a GET by %s tells its server, too", async (_, create) => {
  const told: [string, number | undefined][] = [];
  const url = await serve(
    {
      ping: (_, { timeoutMs, requestMethod }) => {
        told.push([requestMethod, timeoutMs()]);
        return {};
      },
    },
    [],
    "1.1",
  );
  const transport = create({
    baseUrl: url,
    httpVersion: "1.1",
    useHttpGet: true,
    interceptors: [propagateDeadline({ clock: new FakeClock() })],
  });
  onTestFinished(() => (transport as Partial<BalancedTransport>).destroy?.());
  const client = createClient(DemoService, transport);
  await within({ deadlineMs: minute }, () => client.ping({}));
  expect(told).toEqual([["GET", expect.any(Number)]]);
  expect(Math.abs((told[0]?.[1] ?? 0) - minute)).toBeLessThan(5_000);
});

describe("propagateDeadline()", () => {
  test("sends nothing when no time is left, or the incoming call is over", async () => {
    const sent: unknown[] = [];
    const call = compose([propagateDeadline({ clock: new FakeClock(1_000), marginMs: 10 })], async (request) => {
      sent.push(request);
      return unaryResponse();
    });
    const late = await failureOf(within({ deadlineMs: 1_010 }, () => call(unaryRequest())));
    expect(late.code).toBe(Code.DeadlineExceeded);
    const over = within({ signal: AbortSignal.abort() }, () => call(unaryRequest()));
    expect((await failureOf(over)).code).toBe(Code.Canceled);
    expect(sent).toHaveLength(0);
    await within({ deadlineMs: 1_011 }, () => call(unaryRequest()));
    expect(sent).toHaveLength(1);
  });

  test("leaves a request alone outside of an incoming call", async () => {
    const request = unaryRequest();
    const seen: unknown[] = [];
    const call = compose([propagateDeadline()], async (given) => {
      seen.push(given);
      return unaryResponse();
    });
    await call(request);
    await within({}, () => withoutDeadline(() => call(request)));
    expect(seen).toEqual([request, request]);
    expect(seen[0]).toBe(request);
    expect(seen[1]).toBe(request);
  });

  test("gives a second sending of the same request what is left by then", async () => {
    const clock = new FakeClock();
    const told: (number | undefined)[] = [];
    const again = compose(
      [
        (next) => async (request) => {
          await next(request);
          clock.tick(1_000);
          return next(request);
        },
        propagateDeadline({ clock }),
      ],
      async (request) => {
        told.push(requestTimeoutMs(request.header));
        return unaryResponse();
      },
    );
    await within({ deadlineMs: 10_000 }, () => again(unaryRequest({ header: { "connect-timeout-ms": "60000" } })));
    expect(told).toEqual([10_000, 9_000]);
  });

  test("cleans up when its caller aborts, leaves, or the transport throws", async () => {
    const clock = new FakeClock();
    const { signal } = new AbortController();
    const isClean = () => getEventListeners(signal, "abort").length === 0 && clock.pending === 0;
    const incoming = { signal, deadlineMs: minute };
    const interceptor = propagateDeadline({ clock });

    const throwing = compose([interceptor], () => {
      throw new Error("no transport");
    });
    await expect(within(incoming, () => throwing(unaryRequest()))).rejects.toThrow("no transport");
    expect(isClean()).toBe(true);

    const abort = new AbortController();
    let heeded: AbortSignal | undefined;
    const streaming = compose([interceptor], async (request) => {
      heeded = request.signal;
      return streamResponse(each({}));
    });
    await within(incoming, () => streaming(streamRequest({ signal: abort.signal })));
    expect(isClean()).toBe(false);
    const reason = new Error("changed my mind");
    abort.abort(reason);
    expect(heeded?.reason).toBe(reason);
    expect(isClean()).toBe(true);

    const left = reader(await within(incoming, () => streaming(streamRequest())));
    await left.return?.();
    expect(isClean()).toBe(true);
  });

  test("says why a call ended, whatever its transport says", async () => {
    const untidy = async (signal: AbortSignal): Promise<never> => {
      await untilAborted(signal).catch(() => {});
      throw new ConnectError("stream reset", Code.Internal);
    };
    const call = compose([propagateDeadline()], async ({ signal, stream }) => {
      if (!stream) return untidy(signal);
      return streamResponse({ [Symbol.asyncIterator]: () => ({ next: () => untidy(signal) }) });
    });
    const incoming = new AbortController();
    const unary = within({ signal: incoming.signal }, () => call(unaryRequest()));
    const messages = reader(await within({ signal: incoming.signal }, () => call(streamRequest())));
    const next = messages.next();
    incoming.abort();
    for (const error of [await failureOf(unary), await failureOf(next)]) {
      expect(error.code).toBe(Code.Canceled);
      expect(error.rawMessage).toBe("the incoming RPC was cancelled, or has ended");
    }
  });

  test("an abort that comes after the end changes nothing", async () => {
    const incoming = new AbortController();
    let heeded: AbortSignal | undefined;
    const call = compose([propagateDeadline()], async (request) => {
      heeded = request.signal;
      return unaryResponse();
    });
    await within({ signal: incoming.signal }, () => call(unaryRequest()));
    incoming.abort();
    expect(heeded?.aborted).toBe(false);
  });

  test.each([
    [{ marginMs: -1 }, RangeError, "marginMs: expected a number from 0 to 2147483647 milliseconds, got -1"],
    [{ marginMs: Number.NaN }, RangeError, "marginMs"],
    [{ marginMs: null }, TypeError, "marginMs"],
    [{ clock: { now: () => 0 } }, TypeError, "clock: expected a clock with setTimeout, too"],
    [{ margin: 1 }, TypeError, "margin: no option of propagateDeadline, which has marginMs, clock"],
  ])("%o throws", (options, type, message) => {
    expect(() => propagateDeadline(options as PropagateDeadlineOptions)).toThrow(type);
    expect(() => propagateDeadline(options as PropagateDeadlineOptions)).toThrow(message);
  });
});
