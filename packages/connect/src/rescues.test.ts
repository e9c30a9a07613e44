import type { ScriptedConnection, ScriptedStream } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../test-helpers/failure.ts";
import {
  answerGrpc,
  failGrpc,
  grpcHead,
  lost,
  readyCalls,
  type ScriptedCalls,
  type ScriptedCallsOptions,
  threePods,
} from "../test-helpers/scripted-calls.ts";

/** The longest wait of an RPC for its connection, once that is suspect. */
const spreadMs = 250;

/** Calls over connections that are ready, to two pods unless it is said. */
const calls = (options: ScriptedCallsOptions = {}): Promise<ScriptedCalls> =>
  readyCalls({ addresses: threePods.slice(0, 2), ...options });

function connectionOf({ connector }: ScriptedCalls, stream: ScriptedStream): ScriptedConnection {
  return connector.connections.find(({ streams }) => streams.includes(stream))!;
}

/** A ping whose connection has become suspect. */
async function suspectPing(options: ScriptedCallsOptions = {}) {
  const all = await calls(options);
  const rpc = all.client.ping({});
  rpc.catch(() => {});
  await all.clock.advance(0);
  const first = all.streams[0]!;
  const silent = connectionOf(all, first);
  const other = all.connector.connections.find((connection) => connection !== silent)!;
  return { all, rpc, first, silent, other };
}

describe("an RPC on a connection that becomes suspect", () => {
  it("has one more attempt elsewhere, after a part of the spread, while the first goes on", async () => {
    const { all, rpc, first, silent, other } = await suspectPing({ random: () => 0.4 });
    silent.changeSuspect(true);
    await all.clock.advance(0.4 * spreadMs - 1);
    expect(all.streams).toHaveLength(1);
    await all.clock.advance(1);
    expect(other.streams).toHaveLength(1);
    expect(first.result).toBeUndefined();
    answerGrpc(other.streams[0]!);
    expect(await rpc).toMatchObject({ pod: "pod" });
    expect(first.cancelReason?.message).toContain("another attempt was the answer");
    expect(all.clock.pendingRef).toBe(0);
  });

  it("is answered by the first attempt if that is sooner", async () => {
    const { all, rpc, first, silent, other } = await suspectPing();
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    answerGrpc(first);
    expect(await rpc).toMatchObject({ pod: "pod" });
    expect(other.streams[0]?.cancelReason).toBeDefined();
  });

  it("has none where the connection is heard again in time", async () => {
    const { all, rpc, first, silent } = await suspectPing();
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs / 2 - 1);
    silent.changeSuspect(false);
    await all.clock.advance(10_000);
    expect(all.streams).toHaveLength(1);
    answerGrpc(first);
    await rpc;
  });

  it("has one, too, where its pod froze in the middle of a unary response, and none where that of a stream began", async () => {
    const { all, rpc, first, silent } = await suspectPing();
    first.sendHeaders(200, grpcHead.headers);
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.streams).toHaveLength(2);
    answerGrpc(all.streams[1]!);
    await rpc;
    for (const when of ["before", "after"]) {
      const streaming = await calls({ retry: { methods: { "demo.v1.DemoService/Count": {} } } });
      const reading = (async () => {
        for await (const _ of streaming.client.count({}));
      })();
      await streaming.clock.advance(0);
      const [stream] = streaming.streams;
      const connection = connectionOf(streaming, stream!);
      if (when === "after") connection.changeSuspect(true);
      stream!.sendHeaders(200, grpcHead.headers);
      await streaming.clock.advance(0);
      if (when === "before") connection.changeSuspect(true);
      await streaming.clock.advance(10_000);
      expect(streaming.streams).toHaveLength(1);
      stream!.sendTrailers([["grpc-status", "0"]]);
      stream!.complete();
      await reading;
    }
  });

  it.each([
    ["must not happen twice", {}, "charge"],
    ["is not to be retried", { retry: false }, "ping"],
    ["is not to be retried by its name", { retry: { methods: { "demo.v1.DemoService/Ping": false } } }, "ping"],
  ] as const)("has none if it %s", async (_why, options, method) => {
    const all = await calls(options);
    const rpc = all.client[method]({});
    await all.clock.advance(0);
    connectionOf(all, all.streams[0]!).changeSuspect(true);
    await all.clock.advance(10_000);
    expect(all.streams).toHaveLength(1);
    answerGrpc(all.streams[0]!);
    await rpc;
  });

  it("has one if its method is named in a policy", async () => {
    const all = await calls({ retry: { methods: { "demo.v1.DemoService/Charge": {} } } });
    const rpc = all.client.charge({});
    await all.clock.advance(0);
    connectionOf(all, all.streams[0]!).changeSuspect(true);
    await all.clock.advance(spreadMs);
    answerGrpc(all.streams[1]!);
    await rpc;
  });

  it("has none while no other connection answers, and one as soon as one does", async () => {
    const { all, rpc, silent, other } = await suspectPing();
    other.changeSuspect(true);
    silent.changeSuspect(true);
    await all.clock.advance(5_000);
    expect(all.streams).toHaveLength(1);
    expect(all.transport.channel.snapshot()).toMatchObject({ queued: 0, totals: { attempts: 0 } });
    other.changeSuspect(false);
    await all.clock.advance(2 * spreadMs);
    expect(other.streams).toHaveLength(1);
    answerGrpc(other.streams[0]!);
    await rpc;
  });

  it("has one, too, if the connection was suspect before, and the only one to take", async () => {
    const all = await calls();
    const [first, second] = all.connector.connections as [ScriptedConnection, ScriptedConnection];
    first.changeSuspect(true);
    second.changeSuspect(true);
    const rpc = all.client.ping({});
    await all.clock.advance(0);
    const silent = connectionOf(all, all.streams[0]!);
    const other = silent === first ? second : first;
    other.changeSuspect(false);
    await all.clock.advance(spreadMs);
    expect(other.streams).toHaveLength(1);
    answerGrpc(other.streams[0]!);
    await rpc;
  });

  it("has one at most, whatever becomes of that", async () => {
    const { all, rpc, first, silent, other } = await suspectPing({ addresses: threePods });
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.streams).toHaveLength(2);
    if (other.streams.length === 0) failGrpc(all.streams[1]!, 14);
    else other.streams[0]!.break(lost);
    await all.clock.advance(10_000);
    silent.changeSuspect(false);
    silent.changeSuspect(true);
    await all.clock.advance(10_000);
    expect(all.streams).toHaveLength(2);
    answerGrpc(first);
    expect(await rpc).toMatchObject({ pod: "pod" });
  });

  it("is sent again when both fail, and to a third pod", async () => {
    const { all, rpc, first, silent } = await suspectPing({ addresses: threePods });
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    first.break(lost);
    await all.clock.advance(10_000);
    expect(all.streams).toHaveLength(2);
    failGrpc(all.streams[1]!, 14);
    await all.clock.advance(50);
    expect(all.streams).toHaveLength(3);
    expect(new Set(all.streams.map((stream) => connectionOf(all, stream))).size).toBe(3);
    answerGrpc(all.streams[2]!);
    expect(await rpc).toMatchObject({ pod: "pod" });
  });

  it("is retried when it fails while its further attempt still looks for a connection", async () => {
    const { all, rpc, first, silent, other } = await suspectPing();
    other.changeMaxStreams(0);
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.streams).toHaveLength(1);
    first.break(lost);
    await all.clock.advance(0);
    other.changeMaxStreams(10);
    await all.clock.advance(0);
    expect(all.streams.filter(({ result }) => result === undefined)).toHaveLength(1);
    answerGrpc(all.streams.at(-1)!);
    expect(await rpc).toMatchObject({ pod: "pod" });
    expect(all.transport.channel.snapshot().queued).toBe(0);
    expect(all.clock.pendingRef).toBe(0);
  });

  it("is not sent again where the pod of its further attempt asked for that", async () => {
    const { all, rpc, first, silent, other } = await suspectPing({ addresses: threePods });
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.streams).toHaveLength(2);
    failGrpc(all.streams[1]!, 14, [["grpc-retry-pushback-ms", "-1"]]);
    expect(first.result).toBeUndefined();
    first.break(lost);
    await all.clock.advance(10_000);
    expect(all.streams).toHaveLength(2);
    expect(other.streams.length).toBeLessThan(2);
    expect((await failureOf(rpc)).rawMessage).toMatch(/^it broke/);
  });

  it("has another further attempt where that never happened", async () => {
    const { all, rpc, silent } = await suspectPing({ addresses: threePods });
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.streams).toHaveLength(2);
    all.streams[1]!.break({ ...lost, fate: "unprocessed" });
    await all.clock.advance(2 * spreadMs);
    expect(all.streams).toHaveLength(3);
    expect(new Set(all.streams.map((stream) => connectionOf(all, stream))).size).toBe(3);
    answerGrpc(all.streams[2]!);
    expect(await rpc).toMatchObject({ pod: "pod" });
    expect(all.clock.pendingRef).toBe(0);
  });

  it("ends with its caller's abort, and leaves nothing behind", async () => {
    const all = await calls();
    const abort = new AbortController();
    const failure = failureOf(all.client.ping({}, { signal: abort.signal }));
    await all.clock.advance(0);
    connectionOf(all, all.streams[0]!).changeSuspect(true);
    await all.clock.advance(spreadMs);
    abort.abort();
    await failure;
    expect(all.streams.map(({ result }) => result?.kind)).toEqual(["broken", "broken"]);
    expect(all.clock.pendingRef).toBe(0);
  });
});

describe("further attempts on suspicion", () => {
  /** Pings of which half wait on a connection that has become suspect. */
  async function manyPings(count: number, options: ScriptedCallsOptions = {}) {
    let draw = 0;
    const all = await calls({ random: () => (draw++ % 100) / 100, ...options });
    const rpcs = Array.from({ length: count }, () => all.client.ping({}));
    for (const rpc of rpcs) rpc.catch(() => {});
    await all.clock.advance(0);
    const [silent, other] = all.connector.connections as [ScriptedConnection, ScriptedConnection];
    for (const stream of other.streams) answerGrpc(stream);
    const before = other.streams.length;
    silent.changeSuspect(true);
    const rescues = (): readonly ScriptedStream[] => other.streams.slice(before);
    return { all, rpcs, silent, rescues };
  }

  it("are few at a time, so that a pod that computes does not take the next one along", async () => {
    const { all, rpcs, silent, rescues } = await manyPings(200);
    await all.clock.advance(10_000);
    expect(rescues().length).toBe(20);
    // the pod was well: what was sent twice helped nobody, and little of it follows
    for (const stream of silent.streams) answerGrpc(stream);
    await Promise.all(rpcs);
    const again = Array.from({ length: 100 }, () => all.client.ping({}));
    await all.clock.advance(0);
    const total = all.streams.length;
    await all.clock.advance(10_000);
    expect(all.streams.length - total).toBeLessThanOrEqual(2);
    for (const stream of all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all(again);
  });

  it("follow one another where they answer first, and leave half of the budget to retries", async () => {
    const { all, rpcs, rescues } = await manyPings(100);
    for (let step = 0; step < 100; step++) {
      await all.clock.advance(10);
      for (const stream of rescues()) if (stream.result === undefined) answerGrpc(stream);
    }
    expect(rescues().length).toBe(50);
    await Promise.all(rpcs);
    const failing = await manyPings(100);
    for (let step = 0; step < 100; step++) {
      await failing.all.clock.advance(10);
      for (const stream of failing.rescues()) if (stream.result === undefined) failGrpc(stream, 5);
    }
    expect(failing.rescues().length).toBe(50); // an error is an answer, too
    const large = await manyPings(400);
    for (let step = 0; step < 100; step++) {
      await large.all.clock.advance(10);
      for (const stream of large.rescues()) if (stream.result === undefined) answerGrpc(stream);
    }
    // half of what was saved up, and what a second and 400 RPCs brought
    expect(large.rescues().length).toBeGreaterThan(50);
    expect(large.rescues().length).toBeLessThanOrEqual(61);
    const { retryBudget } = large.all.transport.channel;
    let left = 0;
    while (retryBudget.withdraw()) left++;
    expect(left).toBeGreaterThanOrEqual(50);
    for (const stream of large.all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all(large.rpcs);
  });

  it("wait for connections in small numbers, too: others wait there as well", async () => {
    const all = await calls({ random: () => 0.5 });
    const [silent, other] = all.connector.connections as [ScriptedConnection, ScriptedConnection];
    other.changeMaxStreams(0);
    const abort = new AbortController();
    const rpcs = Array.from({ length: 100 }, () => all.client.ping({}, { signal: abort.signal }));
    await all.clock.advance(0);
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(all.transport.channel.snapshot().queued).toBe(20);
    abort.abort();
    await Promise.allSettled(rpcs);
    expect(all.transport.channel.snapshot().queued).toBe(0);
    // those that did not begin are not lost to others
    silent.changeSuspect(false);
    const more = Array.from({ length: 100 }, () => all.client.ping({}));
    await all.clock.advance(0);
    other.changeMaxStreams(1_000);
    silent.changeSuspect(true);
    await all.clock.advance(10_000);
    expect(other.streams).toHaveLength(20);
    for (const stream of all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all(more);
  });

  it("of streams count once, too, when they answer first", async () => {
    const all = await calls({ random: () => 0.5, retry: { methods: { "demo.v1.DemoService/Count": {} } } });
    const [silent, other] = all.connector.connections as [ScriptedConnection, ScriptedConnection];
    other.changeMaxStreams(0);
    const reading = Array.from({ length: 60 }, async () => {
      for await (const _ of all.client.count({}));
    });
    await all.clock.advance(0);
    other.changeMaxStreams(1_000);
    silent.changeSuspect(true);
    await all.clock.advance(spreadMs);
    expect(other.streams).toHaveLength(20);
    // half of them are of use
    for (const stream of other.streams.slice(0, 10)) answerGrpc(stream);
    await all.clock.advance(10_000);
    expect(other.streams).toHaveLength(30);
    for (const stream of all.streams) if (stream.result === undefined) answerGrpc(stream);
    await Promise.all(reading);
  });
});
