import type { ScriptedConnection, ScriptedStream } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { answerGrpc, grpcHead, type ScriptedCalls, scriptedCalls } from "../test-helpers/scripted-calls.ts";

const addresses = ["10.0.0.1:80", "10.0.0.2:80"];

/** Calls over two connections that are ready. */
async function twoConnections(): Promise<ScriptedCalls> {
  const calls = scriptedCalls({ addresses });
  onTestFinished(() => calls.transport.destroy());
  await calls.transport.channel.ready();
  return calls;
}

/** The connection that carries this stream, and the other one. */
function connectionsOf({ connector }: ScriptedCalls, stream: ScriptedStream): [ScriptedConnection, ScriptedConnection] {
  const [first, second] = addresses.map((address) => connector.latest(address));
  if (first === undefined || second === undefined) throw new Error("expected two connections");
  return first.streams.includes(stream) ? [first, second] : [second, first];
}

async function opened({ clock, streams }: ScriptedCalls): Promise<ScriptedStream> {
  await clock.advance(0);
  return streams.at(-1) as ScriptedStream;
}

describe("an RPC on a connection that becomes suspect", () => {
  it("goes elsewhere if it is idempotent", async () => {
    const calls = await twoConnections();
    const rpc = calls.client.ping({});
    const stream = await opened(calls);
    const [silent, other] = connectionsOf(calls, stream);
    silent.changeSuspect(true);
    expect(stream.cancelReason?.message).toContain("does not answer");
    const again = await opened(calls);
    expect(other.streams).toEqual([again]);
    answerGrpc(again);
    expect(await rpc).toMatchObject({ pod: "pod" });
    expect(calls.streams).toHaveLength(2);
  });

  it("stays where it is if it must not happen twice", async () => {
    const calls = await twoConnections();
    const rpc = calls.client.charge({});
    const stream = await opened(calls);
    const [silent] = connectionsOf(calls, stream);
    silent.changeSuspect(true);
    await calls.clock.advance(0);
    expect(calls.streams).toEqual([stream]);
    answerGrpc(stream);
    await rpc;
  });

  it("stays while its response is under way", async () => {
    const calls = await twoConnections();
    const rpc = calls.client.ping({});
    const stream = await opened(calls);
    const [silent] = connectionsOf(calls, stream);
    stream.sendHeaders(200, grpcHead.headers);
    silent.changeSuspect(true);
    expect(stream.cancelReason).toBeUndefined();
    stream.break({ fate: "ambiguous", error: new Error("lost") });
    answerGrpc(await opened(calls));
    await rpc;
  });

  it("stays while no other connection answers", async () => {
    const calls = await twoConnections();
    const rpc = calls.client.ping({});
    const stream = await opened(calls);
    const [silent, other] = connectionsOf(calls, stream);
    other.changeSuspect(true);
    silent.changeSuspect(true);
    expect(stream.cancelReason).toBeUndefined();
    answerGrpc(stream);
    await rpc;
  });

  it("stays once the retry budget is spent", async () => {
    const calls = await twoConnections();
    const rpcs = Array.from({ length: 400 }, () => calls.client.ping({}));
    await opened(calls);
    const [silent, other] = connectionsOf(calls, calls.streams[0] as ScriptedStream);
    const waiting = silent.streams.length;
    silent.changeSuspect(true);
    await calls.clock.advance(0);
    const moved = silent.streams.filter(({ cancelReason }) => cancelReason !== undefined);
    expect(moved).toHaveLength(100); // what is saved up of 10 a second
    expect(waiting).toBeGreaterThan(moved.length);
    silent.changeSuspect(false);
    for (const stream of [...silent.streams, ...other.streams]) if (!moved.includes(stream)) answerGrpc(stream);
    await Promise.all(rpcs);
  });
});
