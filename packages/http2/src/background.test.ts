import { connect } from "node:net";
import { FakeClock } from "@evenkeel/testing";
import { expect, it, onTestFinished, vi } from "vitest";
import { startRawPeer } from "../test-helpers/raw-peer.ts";
import { passTime, startRig, until } from "../test-helpers/rig.ts";
import { openTestStream, startTestClient } from "../test-helpers/test-client.ts";
import { FrameType } from "./frames/frame.ts";

// what health checks rely on: a stream in the background is none, but for the peer's limit

const settingMaxStreams = 3;
const background = { background: true, endStream: true } as const;

it("a stream in the background takes room, and is in no count", async () => {
  const { connection, peer, told } = await startRig({ onConnect: (raw) => raw.settings([[settingMaxStreams, 2]]) });
  const watch = openTestStream(connection, background);
  expect([connection.inFlight, connection.maxStreams]).toEqual([0, 1]);
  const rpc = openTestStream(connection, { endStream: true });
  expect([connection.inFlight, connection.maxStreams]).toEqual([1, 1]);
  expect(await openTestStream(connection).ended).toMatchObject({ fate: "unsent" });
  await until(() => peer.received.some(({ streamId }) => streamId === 3)).toBe(true);
  expect(told).toEqual(["ready"]);
  peer.headers(1, { endStream: true });
  expect(await watch.ended).toEqual({ kind: "complete" });
  expect(told).toEqual(["ready", "capacity"]);
  expect([connection.inFlight, connection.maxStreams, connection.answered]).toEqual([1, 2, 0]);
  peer.headers(3, { endStream: true });
  await rpc.ended;
  expect([connection.inFlight, connection.maxStreams, connection.answered]).toEqual([0, 2, 1]);
});

it("a stream in the background does not hold back the end of a connection that drains", async () => {
  const rig = await startRig();
  const watch = openTestStream(rig.connection, background);
  const rpc = openTestStream(rig.connection, { endStream: true });
  rig.peer.socket.on("end", () => rig.peer.socket.end());
  rig.connection.drain();
  await until(() => rig.peer.received.some(({ streamId }) => streamId === 3)).toBe(true);
  expect(rig.told).toEqual(["ready"]);
  rig.peer.headers(3, { endStream: true });
  expect(await rpc.ended).toEqual({ kind: "complete" });
  expect(await watch.ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
  expect(await rig.closed).toMatchObject({ orderly: true, streamsLost: 0 });
});

it("a connection with nothing but streams in the background closes at the peer's GOAWAY", async () => {
  const rig = await startRig();
  openTestStream(rig.connection, background);
  await until(() => rig.peer.received.some(({ streamId }) => streamId === 1)).toBe(true);
  rig.peer.socket.on("end", () => rig.peer.socket.end());
  rig.peer.goaway(2 ** 31 - 1, 0);
  expect(await rig.closed).toMatchObject({ orderly: true, streamsLost: 0 });
  expect(rig.told).toEqual(["ready", "goaway 0 2147483647", "closed"]);
});

it("a connection with nothing but streams in the background that the peer closes ends in good order", async () => {
  const rig = await startRig();
  const watch = openTestStream(rig.connection, background);
  await until(() => rig.peer.received.some(({ streamId }) => streamId === 1)).toBe(true);
  rig.peer.socket.end();
  expect(await watch.ended).toMatchObject({ kind: "broken" });
  expect(await rig.closed).toMatchObject({ orderly: true, streamsLost: 0 });
});

it("no ping asks after a stream in the background, and RPCs beside it are asked after as ever", async () => {
  const clock = new FakeClock();
  const { connection, peer } = await startRig({}, { clock, pingIntervalMs: 10_000 });
  const pings = (): number => peer.received.filter(({ type }) => type === FrameType.ping).length;
  openTestStream(connection, background);
  for (let step = 0; step < 10; step++) await passTime(clock, 10_000);
  expect(pings()).toBe(0);
  openTestStream(connection, { endStream: true });
  await passTime(clock, 999);
  openTestStream(connection, background); // it begins nothing anew
  await passTime(clock, 1);
  await until(pings).toBe(1);
});

it("a stream in the background does not keep the process alive", async () => {
  const server = await startRawPeer({});
  onTestFinished(() => server[Symbol.asyncDispose]());
  const socket = connect(server.port, "127.0.0.1");
  const ref = vi.spyOn(socket, "ref");
  const client = startTestClient({ socket });
  onTestFinished(async () => {
    client.connection.destroy(new Error("the test is over"));
    await client.closed;
  });
  await client.ready;
  openTestStream(client.connection, background);
  expect(ref).not.toHaveBeenCalled();
  const unref = vi.spyOn(socket, "unref");
  const rpc = openTestStream(client.connection);
  openTestStream(client.connection, background);
  expect(ref).toHaveBeenCalledTimes(1);
  expect(unref).not.toHaveBeenCalled();
  rpc.stream.cancel(new Error("enough"));
  expect(unref).toHaveBeenCalledTimes(1);
});
