import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Code, type Interceptor } from "@connectrpc/connect";
import { type Events, subscribe } from "@evenkeel/core";
import type { ScriptedStream } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { startDemoServer } from "../test-helpers/demo-server.ts";
import { envelope, grpcHead, podMessage, scriptedCalls } from "../test-helpers/scripted-calls.ts";
import { createGrpcTransport } from "./grpc-transport.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Sends three messages, the first to a reader that waits for it, and then nothing. */
function begin(stream: ScriptedStream): void {
  stream.sendHeaders(200, grpcHead.headers);
  setTimeout(() => {
    for (let count = 0; count < 3; count++) if (stream.result === undefined) stream.sendData(envelope(podMessage));
  }, 5);
}

/** Collects garbage until `done` says so, for a second at most. */
async function collectUntil(done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !done(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
  }
}

const passing: Interceptor = (next) => (request) => next(request);
const wrapping: Interceptor = (next) => async (request) => {
  const response = await next(request);
  if (!response.stream) return response;
  const { message } = response;
  const wrapped = (async function* () {
    for await (const each of message) yield each;
  })();
  return { ...response, message: wrapped };
};

describe.each([
  { how: "without interceptors", interceptors: [] },
  { how: "through an interceptor", interceptors: [passing] },
  { how: "through an interceptor that wraps the messages", interceptors: [wrapping] },
])("a response stream that is left, $how,", ({ interceptors }) => {
  it("ends when its iterator is collected: createClient hides a break", async () => {
    const codes: number[] = [];
    onTestFinished(subscribe("attempt.end", ({ outcome }: Events["attempt.end"]) => codes.push(outcome.code)));
    const { client, clock, streams, transport } = scriptedCalls({ interceptors, onStream: begin });
    const { signal } = new AbortController();
    let seen = 0;
    await (async () => {
      for await (const _ of client.count({}, { signal, timeoutMs: 1_000 })) if (++seen === 2) break;
    })();
    expect(streams[0]?.result).toBeUndefined();
    const listeners = (): number => getEventListeners(signal, "abort").length;
    await collectUntil(() => streams[0]?.result !== undefined && listeners() === 0);
    expect({ listeners: listeners(), timers: clock.pending }).toEqual({ listeners: 0, timers: 1 });
    expect(streams[0]?.cancelReason).toMatchObject({ code: Code.Canceled });
    expect(codes).toEqual([Code.Canceled]);
    expect(transport.channel.snapshot().endpoints[0]?.connection?.inFlight).toBe(0);
  });

  it("goes on as long as somebody has its iterator, or waits for a message", async () => {
    const { client, streams } = scriptedCalls({ interceptors, onStream: begin });
    const iterator = client.count({})[Symbol.asyncIterator]();
    await iterator.next();
    const waiting = (async () => {
      let seen = 0;
      for await (const _ of client.count({})) seen++;
      return seen;
    })();
    const done = waiting.catch(() => -1);
    let turns = 0;
    await collectUntil(() => ++turns > 20);
    expect(streams.map(({ result }) => result)).toEqual([undefined, undefined]);
    expect((await iterator.next()).done).toBe(false);
    streams[1]?.sendTrailers([["grpc-status", "0"]]);
    streams[1]?.complete();
    expect(await done).toBe(3);
  });

  it("ends when its response is never looked at", async () => {
    const { streams, transport } = scriptedCalls({ interceptors, onStream: begin });
    await (async () => {
      await transport.stream(DemoService.method.count, undefined, undefined, undefined, (async function* () {})());
    })();
    await collectUntil(() => streams[0]?.result !== undefined);
    expect(streams[0]?.result).toMatchObject({ kind: "broken" });
  });

  it("ends at once where return reaches it", async () => {
    const { streams, transport } = scriptedCalls({ interceptors, onStream: begin });
    const none = (async function* () {})();
    const response = await transport.stream(DemoService.method.count, undefined, undefined, undefined, none);
    for await (const _ of response.message) break;
    expect(streams[0]?.cancelReason).toMatchObject({ rawMessage: "the response was left before its end" });
    expect(await response.message[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });
});

it("a response stream that was left by return is not kept by the stack of its error", async () => {
  const server = await startDemoServer("pod-1");
  onTestFinished(() => server[Symbol.asyncDispose]());
  const transport = createGrpcTransport({ baseUrl: `http://${server.address}` });
  onTestFinished(() => transport.close());
  const readers: WeakRef<object>[] = [];
  for (let call = 0; call < 5; call++) {
    await (async () => {
      const request = (async function* () {
        yield { to: 1_000 };
      })();
      const response = await transport.stream(DemoService.method.count, undefined, undefined, undefined, request);
      readers.push(new WeakRef(response.message));
      for await (const _ of response.message) break;
    })();
  }
  const left = (): number => readers.filter((reader) => reader.deref() !== undefined).length;
  await collectUntil(() => left() === 0);
  expect(left()).toBe(0);
});
