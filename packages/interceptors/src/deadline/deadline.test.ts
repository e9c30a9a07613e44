import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { failureOf } from "../../test-helpers/failure.ts";
import {
  compose,
  each,
  type Handler,
  reader,
  streamRequest,
  streamResponse,
  unaryRequest,
  unaryResponse,
} from "../../test-helpers/fake-rpc.ts";
import { protocols, serve } from "../../test-helpers/server.ts";
import { type DeadlineOptions, deadline } from "./deadline.ts";
import { incomingCall, withoutDeadline } from "./incoming-call.ts";

const in200Ms = { header: { "connect-timeout-ms": "200" } };

function handler(): { readonly call: Handler; readonly calls: unknown[] } {
  const calls: unknown[] = [];
  return {
    calls,
    call: async () => {
      calls.push(incomingCall.getStore());
      return unaryResponse();
    },
  };
}

describe("deadline()", () => {
  test("refuses work whose time was over before it came", async () => {
    const { call, calls } = handler();
    const error = await failureOf(compose([deadline()], call)(unaryRequest({ header: { "connect-timeout-ms": "0" } })));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(error.rawMessage).toBe("the deadline passed before the work began");
    expect(calls).toHaveLength(0);
  });

  test("refuses work that was aborted while it waited, with the code of that", async () => {
    const { call, calls } = handler();
    const reasons: [unknown, Code][] = [
      [new ConnectError("late", Code.DeadlineExceeded), Code.DeadlineExceeded],
      [new ConnectError("gone", Code.Canceled), Code.Canceled],
      [undefined, Code.Canceled],
      ["gone", Code.Canceled],
    ];
    for (const [reason, code] of reasons) {
      const error = await failureOf(compose([deadline()], call)(unaryRequest({ signal: AbortSignal.abort(reason) })));
      expect(error.code).toBe(code);
    }
    expect(calls).toHaveLength(0);
  });

  test("refuses what waited for too long in an interceptor between two of it, also when no timer has run", async () => {
    const clock = new FakeClock();
    const { call, calls } = handler();
    const queue = (waitMs: number) => (next: Handler) => async (request: Parameters<Handler>[0]) => {
      clock.tick(waitMs);
      return next(request);
    };
    const behind = (waitMs: number) => compose([deadline({ clock }), queue(waitMs), deadline({ clock })], call);
    await behind(199)(unaryRequest(in200Ms));
    expect(calls).toHaveLength(1);
    expect((await failureOf(behind(200)(unaryRequest(in200Ms)))).code).toBe(Code.DeadlineExceeded);
    expect(calls).toHaveLength(1);
  });

  test("refuses work that is given too little time", async () => {
    const { call, calls } = handler();
    const strict = compose([deadline({ minRemainingMs: 201, clock: new FakeClock() })], call);
    const error = await failureOf(strict(unaryRequest(in200Ms)));
    expect(error.code).toBe(Code.DeadlineExceeded);
    expect(error.rawMessage).toBe("the deadline is in 200 ms, too soon for work that is given 201 ms");
    await strict(unaryRequest());
    await compose([deadline({ minRemainingMs: 200, clock: new FakeClock() })], call)(unaryRequest(in200Ms));
    expect(calls).toHaveLength(2);
  });

  test("tells the handler's code of the deadline and the signal", async () => {
    const { call, calls } = handler();
    const { signal } = new AbortController();
    const clock = new FakeClock(1_000);
    await compose([deadline({ clock })], call)(unaryRequest({ ...in200Ms, signal }));
    await compose([deadline({ clock })], call)(unaryRequest({ signal }));
    expect(calls).toEqual([
      { deadlineMs: 1_200, signal },
      { deadlineMs: Number.POSITIVE_INFINITY, signal },
    ]);
    expect(incomingCall.getStore()).toBeUndefined();
  });

  test("says nothing to what is done without it", async () => {
    const seen: unknown[] = [];
    const call = compose([deadline()], async () => {
      seen.push(withoutDeadline(() => incomingCall.getStore()));
      await withoutDeadline(async () => {
        await sleep(1);
        seen.push(incomingCall.getStore());
      });
      seen.push(incomingCall.getStore()?.deadlineMs);
      return unaryResponse();
    });
    await call(unaryRequest());
    expect(seen).toEqual([undefined, undefined, Number.POSITIVE_INFINITY]);
  });
});

describe("in a stream", () => {
  test("every message is made in the handler's context, though others ask for it", async () => {
    const seen: unknown[] = [];
    const note = () => seen.push(incomingCall.getStore()?.signal);
    const other = new AsyncLocalStorage<string>();
    const { signal } = new AbortController();
    const call = compose([deadline()], async () =>
      streamResponse(
        (async function* () {
          try {
            note();
            yield other.getStore();
            note();
            await sleep(1);
            note();
            yield other.getStore();
          } finally {
            note();
          }
        })(),
      ),
    );
    const messages = reader(await call(streamRequest({ signal })));
    // the context of who asks is there, too
    expect(await other.run("first", () => messages.next())).toEqual({ done: false, value: "first" });
    expect(await other.run("second", () => messages.next())).toEqual({ done: false, value: "second" });
    expect(seen).toEqual([signal, signal, signal]);
    await messages.return?.();
    expect(seen).toEqual([signal, signal, signal, signal]);
    expect(incomingCall.getStore()).toBeUndefined();
  });

  test("errors, ends and iterators of one's own pass through", async () => {
    const asked: string[] = [];
    const bare = {
      [Symbol.asyncIterator]() {
        asked.push(`iterator ${incomingCall.getStore() !== undefined}`);
        return { next: async () => ({ done: true as const, value: 7 }) };
      },
    };
    const bareCall = compose([deadline()], async () => streamResponse(bare));
    const messages = reader(await bareCall(streamRequest()));
    expect(await messages.next()).toEqual({ done: true, value: 7 });
    expect(await messages.return?.(8)).toEqual({ done: true, value: 8 });
    const error = new Error("left");
    await expect(messages.throw?.(error)).rejects.toBe(error);
    expect(asked).toEqual(["iterator true"]);
    const generators = compose([deadline()], async () => streamResponse(each({})));
    await expect(reader(await generators(streamRequest())).throw?.(error)).rejects.toBe(error);
  });

  test.each(protocols)("over %s the handler knows its deadline in each step", async (_, connect) => {
    const seen: (number | undefined)[] = [];
    const note = () => seen.push(incomingCall.getStore()?.deadlineMs);
    const clock = new FakeClock();
    const url = await serve(
      {
        async *count() {
          note();
          yield {};
          await sleep(1);
          note();
          yield {};
          note();
        },
        async collect(messages) {
          for await (const _ of messages) note();
          return {};
        },
        async *chat(messages) {
          for await (const _ of messages) {
            note();
            yield {};
          }
        },
      },
      [deadline({ clock })],
    );
    const client = createClient(DemoService, connect(url));
    for await (const _ of client.count({}, { timeoutMs: 60_000 }));
    await client.collect(each({}, {}), { timeoutMs: 60_000 });
    for await (const _ of client.chat(each({}, {}), { timeoutMs: 60_000 }));
    expect(seen).toHaveLength(7);
    for (const deadlineMs of seen) expect(Math.abs((deadlineMs ?? 0) - 60_000)).toBeLessThan(5_000);
  });
});

test.each([
  [{ minRemainingMs: -1 }, RangeError, "minRemainingMs: expected a number from 0 to 2147483647 milliseconds, got -1"],
  [{ minRemainingMs: "1" }, TypeError, "minRemainingMs"],
  [{ clock: 1 }, TypeError, "clock: expected a clock, got 1"],
  [{ minRemaining: 1 }, TypeError, "minRemaining: no option of deadline, which has minRemainingMs, clock"],
])("%o throws", (options, type, message) => {
  expect(() => deadline(options as DeadlineOptions)).toThrow(type);
  expect(() => deadline(options as DeadlineOptions)).toThrow(message);
});
