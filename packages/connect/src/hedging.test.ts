import { Code } from "@connectrpc/connect";
import { StatusCode, StatusError, subscribe } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { failureOf } from "../test-helpers/failure.ts";
import {
  addressOf,
  answerGrpc,
  attemptsAfter,
  envelope,
  failGrpc,
  grpcHead,
  grpcOk,
  headersOf,
  lost,
  podMessage,
  pushback,
  readyCalls,
  type ScriptedCalls,
  type ScriptedCallsOptions,
  scriptedCalls,
  threePods,
} from "../test-helpers/scripted-calls.ts";

const hedging = { maxAttempts: 3, hedgingDelayMs: 100 };

const calls = (options: ScriptedCallsOptions = {}): Promise<ScriptedCalls> => readyCalls({ hedging, ...options });

/** Which of the streams were cancelled because another attempt was the answer. */
function superseded({ streams }: ScriptedCalls): readonly boolean[] {
  return streams.map(({ cancelReason }) => cancelReason?.message.includes("another attempt was the answer") === true);
}

describe("a hedged RPC", () => {
  it("is sent to further pods, one after each delay, while none answers; the first answer counts", async () => {
    const all = await calls();
    const call = all.client.ping({});
    expect(await attemptsAfter(all, 99)).toBe(1);
    expect(await attemptsAfter(all, 1)).toBe(2);
    expect(await attemptsAfter(all, 100)).toBe(3);
    expect(await attemptsAfter(all, 1_000)).toBe(3);
    answerGrpc(all.streams[1]!);
    expect(await call).toMatchObject({ pod: "pod" });
    expect(superseded(all)).toEqual([true, false, true]);
    expect(new Set(all.streams.map((stream) => addressOf(all, stream))).size).toBe(3);
    expect(all.streams.map((stream) => headersOf(stream)["grpc-previous-rpc-attempts"])).toEqual([undefined, "1", "2"]);
    expect(all.transport.channel.snapshot().totals).toEqual({ attempts: 3, succeeded: 1, failed: 2 });
    expect(all.clock.pendingRef).toBe(0);
  });

  it("has no second attempt when it is answered in time, and leaves no timer", async () => {
    const all = await calls();
    const call = all.client.ping({});
    await all.clock.advance(50);
    answerGrpc(all.streams[0]!);
    await call;
    expect(await attemptsAfter(all, 1_000)).toBe(1);
    expect(all.clock.pendingRef).toBe(0);
  });

  it("goes on at once after an error that is not fatal, and then with the delay", async () => {
    const all = await calls();
    const call = all.client.ping({});
    await all.clock.advance(50);
    failGrpc(all.streams[0]!, 14);
    expect(await attemptsAfter(all, 0)).toBe(2);
    expect(await attemptsAfter(all, 99)).toBe(2);
    expect(await attemptsAfter(all, 1)).toBe(3);
    failGrpc(all.streams[2]!, 14);
    await all.clock.advance(0);
    answerGrpc(all.streams[1]!);
    expect(await call).toMatchObject({ pod: "pod" });
  });

  it("ends with an error that is fatal, whichever attempt it is of", async () => {
    const all = await calls();
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(100);
    failGrpc(all.streams[1]!, 5);
    expect((await failure).code).toBe(Code.NotFound);
    expect(superseded(all)).toEqual([true, false]);
    expect(await attemptsAfter(all, 1_000)).toBe(2);
  });

  it("never ends because a further attempt breaks, or is refused", async () => {
    const all = await calls({ hedging: { ...hedging, nonFatalCodes: [Code.Aborted] } });
    const call = all.client.ping({});
    await all.clock.advance(100);
    all.streams[1]!.break(lost);
    await all.clock.advance(0);
    all.streams[2]!.break({ ...lost, fate: "unprocessed", errorCode: 7 });
    await all.clock.advance(0);
    const open = all.streams.filter(({ result }) => result === undefined);
    expect(open).toContain(all.streams[0]);
    answerGrpc(all.streams[0]!);
    expect(await call).toMatchObject({ pod: "pod" });
    expect(all.streams.every(({ result }) => result !== undefined)).toBe(true);
  });

  it("fails when all of its attempts did, with the error of the last", async () => {
    const all = await calls();
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(200);
    failGrpc(all.streams[1]!, 14, [["grpc-message", "second"]]);
    failGrpc(all.streams[0]!, 14, [["grpc-message", "first"]]);
    all.streams[2]!.break(lost);
    expect((await failure).rawMessage).toMatch(/^it broke: .* \(3 attempts\)$/);
    expect(await attemptsAfter(all, 10_000)).toBe(3);
  });

  it("fails when all failed while the next attempt was due that a server does not want", async () => {
    const all = await calls({ hedging: { ...hedging, maxAttempts: 5 } });
    const failure = failureOf(all.client.ping({}));
    await all.clock.advance(200);
    failGrpc(all.streams[0]!, 14, pushback("500"));
    failGrpc(all.streams[1]!, 14, pushback("-1"));
    all.streams[2]!.break({ ...lost, fate: "unprocessed" });
    await all.clock.advance(500);
    expect((await failure).code).toBe(Code.Unavailable);
    expect(all.streams).toHaveLength(3);
  });

  it("is not sent again while a server wants to be left alone", async () => {
    const all = await calls();
    const call = all.client.ping({});
    await all.clock.advance(100);
    failGrpc(all.streams[1]!, 14, pushback("250"));
    expect(await attemptsAfter(all, 249)).toBe(2);
    expect(await attemptsAfter(all, 1)).toBe(3);
    answerGrpc(all.streams[2]!);
    await call;
    const stopped = await calls();
    const other = stopped.client.ping({});
    await stopped.clock.advance(100);
    failGrpc(stopped.streams[1]!, 14, pushback("-1"));
    expect(await attemptsAfter(stopped, 10_000)).toBe(2);
    answerGrpc(stopped.streams[0]!);
    expect(await other).toMatchObject({ pod: "pod" });
  });

  it("is sent once more for one that never happened, which is no attempt in its count", async () => {
    const all = await calls({ hedging: { ...hedging, maxAttempts: 2 } });
    const call = all.client.ping({});
    await all.clock.advance(0);
    all.streams[0]!.break({ ...lost, fate: "unprocessed" });
    expect(await attemptsAfter(all, 0)).toBe(2);
    expect(await attemptsAfter(all, 100)).toBe(3);
    answerGrpc(all.streams[2]!);
    await call;
    expect(await attemptsAfter(all, 1_000)).toBe(3);
  });

  it("is sent once more for one that never happened while another goes on, and pays for that once", async () => {
    const all = await calls({ hedging: { ...hedging, maxAttempts: 2 }, retryBudget: { ratio: 0, minPerSecond: 0.1 } });
    const call = all.client.ping({});
    await all.clock.advance(100);
    for (let attempt = 1; attempt < 5; attempt++) {
      all.streams[attempt]!.break({ ...lost, fate: "unprocessed" });
      expect(await attemptsAfter(all, 0)).toBe(attempt + 2);
    }
    expect(all.streams[0]!.result).toBeUndefined();
    answerGrpc(all.streams[5]!);
    expect(await call).toMatchObject({ pod: "pod" });
    expect(await attemptsAfter(all, 1_000)).toBe(6);
  });

  it("is not sent for ever where connections refuse it, and goes on with the attempt that one took", async () => {
    const all = await calls({ hedging: { ...hedging, maxAttempts: 2 } });
    const call = all.client.ping({});
    await all.clock.advance(100);
    for (let turn = 0; turn < 20; turn++) {
      for (const stream of all.streams.slice(1)) {
        if (stream.result === undefined) stream.break({ ...lost, fate: "unprocessed", errorCode: 7 });
      }
      await all.clock.advance(1_200);
    }
    expect(all.streams).toHaveLength(6);
    answerGrpc(all.streams[0]!);
    expect(await call).toMatchObject({ pod: "pod" });
  });

  it("goes on where another connection cannot take its request, whose limit for headers may be lower", async () => {
    const all = await calls();
    const outcomes: StatusCode[] = [];
    onTestFinished(subscribe("attempt.end", ({ outcome }) => outcomes.push(outcome.code)));
    const call = all.client.ping({});
    await all.clock.advance(0);
    for (const connection of all.connector.connections) {
      connection.open = () => {
        throw new StatusError(StatusCode.resourceExhausted, "headers are too large");
      };
    }
    await all.clock.advance(1_000);
    expect(all.streams[0]!.result).toBeUndefined();
    answerGrpc(all.streams[0]!);
    expect(await call).toMatchObject({ pod: "pod" });
    expect(outcomes).toEqual([StatusCode.resourceExhausted, StatusCode.resourceExhausted, StatusCode.ok]);
  });

  it("is cancelled as a whole: at its deadline, and when its caller aborts", async () => {
    for (const how of ["deadline", "abort"]) {
      const all = await calls();
      const abort = new AbortController();
      const failure = failureOf(all.client.ping({}, { timeoutMs: 150, signal: abort.signal }));
      await all.clock.advance(100);
      if (how === "abort") abort.abort();
      await all.clock.advance(50);
      expect((await failure).code).toBe(how === "abort" ? Code.Canceled : Code.DeadlineExceeded);
      expect(all.streams.map(({ result }) => result?.kind)).toEqual(["broken", "broken"]);
      expect(await attemptsAfter(all, 1_000)).toBe(2);
      expect(all.clock.pendingRef).toBe(0);
    }
  });

  it("waits for a connection once, and leaves the queue with its answer", async () => {
    const all = scriptedCalls({ addresses: threePods.slice(0, 2), connects: false, hedging });
    const call = all.client.ping({});
    await all.clock.advance(450);
    expect(all.transport.channel.snapshot().queued).toBe(1);
    const [first] = all.connector.connections;
    first!.becomeReady({ maxStreams: 1 });
    await all.clock.advance(100);
    expect(all.streams).toHaveLength(1);
    expect(all.transport.channel.snapshot().queued).toBe(1); // the hedge: the only connection is full
    answerGrpc(all.streams[0]!);
    await call;
    expect(all.transport.channel.snapshot().queued).toBe(0);
    expect(all.streams).toHaveLength(1);
    expect(all.clock.pendingRef).toBe(0);
  });

  it("leaves the queue with its answer, too, where nothing else would take it out", async () => {
    const all = scriptedCalls({ addresses: threePods.slice(0, 1), connects: false, hedging });
    const call = all.client.ping({});
    await all.clock.advance(0);
    all.connector.connections[0]!.becomeReady();
    await all.clock.advance(0);
    all.connector.connections[0]!.sendGoaway();
    await all.clock.advance(100);
    expect(all.transport.channel.snapshot().queued).toBe(1);
    answerGrpc(all.streams[0]!);
    await call;
    expect(all.transport.channel.snapshot().queued).toBe(0);
    expect(all.clock.pendingRef).toBe(0);
  });

  it("has no further attempt once the budget is spent, and is not lost by that", async () => {
    const all = await calls({ retryBudget: { ratio: 0, minPerSecond: 0.1 } });
    const rpcs = Array.from({ length: 10 }, () => all.client.ping({}));
    expect(await attemptsAfter(all, 1_000)).toBe(11);
    for (const stream of all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all(rpcs);
  });

  it("says nothing of the budget when that was spent only for a while", async () => {
    const all = await calls({ hedging: { ...hedging, maxAttempts: 2 }, retryBudget: { ratio: 0, minPerSecond: 0.1 } });
    all.transport.channel.retryBudget.withdraw();
    const failure = failureOf(all.client.ping({}));
    expect(await attemptsAfter(all, 10_000)).toBe(1);
    all.streams[0]!.break(lost);
    expect(await attemptsAfter(all, 0)).toBe(2);
    all.streams[1]!.break(lost);
    expect((await failure).rawMessage).toMatch(/processed \(2 attempts\)$/);
  });

  it("is one of a unary or server-streaming method, and not of one that is left out", async () => {
    const named = "demo.v1.DemoService";
    const methods = { [named]: {}, [`${named}/Charge`]: false, [`${named}/Ping`]: false } as const;
    const all = await calls({ hedging: { ...hedging, methods } });
    const source = (async function* () {
      yield { number: 1 };
    })();
    const rpcs = [all.client.charge({}), all.client.ping({}), all.client.collect(source)];
    expect(await attemptsAfter(all, 1_000)).toBe(3);
    const reading = (async () => {
      for await (const _ of all.client.count({}));
    })();
    expect(await attemptsAfter(all, 1_000)).toBe(6);
    for (const stream of all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all([...rpcs, reading]);
  });
});

it("an RPC of a method that is not idempotent is hedged only by its name", async () => {
  const all = await calls();
  const rpc = all.client.charge({});
  expect(await attemptsAfter(all, 1_000)).toBe(1);
  answerGrpc(all.streams[0]!);
  await rpc;
});

describe("a hedged server stream", () => {
  it("is answered by the first headers; what its reader gets is of that attempt alone", async () => {
    const all = await calls({ hedging: { ...hedging, methods: { "demo.v1.DemoService": {} } } });
    const pods: string[] = [];
    const reading = (async () => {
      for await (const { pod } of all.client.count({ to: 2 })) pods.push(pod);
    })();
    await all.clock.advance(200);
    expect(all.streams.map(({ written }) => written)).toEqual(all.streams.map(() => all.streams[0]?.written));
    expect(all.streams.every(({ requestEnded }) => requestEnded)).toBe(true);
    all.streams[1]!.sendHeaders(200, grpcHead.headers);
    await all.clock.advance(0);
    expect(superseded(all)).toEqual([true, false, true]);
    all.streams[1]!.sendData(envelope(podMessage));
    all.streams[1]!.sendTrailers(grpcOk);
    all.streams[1]!.complete();
    await reading;
    expect(pods).toEqual(["pod"]);
  });

  it("goes on where an attempt brings nothing but its headers and an error", async () => {
    const all = await calls({ hedging: { ...hedging, methods: { "demo.v1.DemoService": {} } } });
    const reading = (async () => {
      for await (const _ of all.client.count({}));
    })();
    await all.clock.advance(100);
    failGrpc(all.streams[1]!, 14);
    await all.clock.advance(0);
    expect(all.streams).toHaveLength(3);
    expect(all.streams[0]!.result).toBeUndefined();
    answerGrpc(all.streams[0]!);
    await reading;
    expect(all.streams[2]!.result).toMatchObject({ kind: "broken" });
  });

  it("sends its request to each of its pods, though one of them does not read it", async () => {
    const blocked: unknown[] = [];
    const all = await calls({
      hedging: { ...hedging, methods: { "demo.v1.DemoService": {} } },
      onStream(stream) {
        if (blocked.push(stream) === 1) stream.block();
      },
    });
    const reading = (async () => {
      for await (const _ of all.client.count({ to: 7 }));
    })();
    await all.clock.advance(100);
    expect(all.streams.map(({ requestEnded }) => requestEnded)).toEqual([false, true]);
    expect(all.streams[1]!.written).toEqual(all.streams[0]!.written);
    answerGrpc(all.streams[1]!);
    await reading;
  });
});
