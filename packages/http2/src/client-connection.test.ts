import { connect } from "node:net";
import { Duplex } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createEndpoint, parseTarget } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { cert, key } from "../../server/test-helpers/certificate.ts";
import { type RawConnection, type RawPeerScript, startRawPeer } from "../test-helpers/raw-peer.ts";
import { passTime, type Rig, type RigOptions, startRig, until } from "../test-helpers/rig.ts";
import { openTestStream, startTestClient, type TestStream } from "../test-helpers/test-client.ts";
import { ClientStream } from "./client-stream.ts";
import { createHttp2Connector } from "./connector.ts";
import { ErrorCode } from "./error-code.ts";
import { connectionPreface, encodeFrame, FrameType } from "./frames/frame.ts";
import { HpackDecoder } from "./hpack/decoder.ts";

const settingHeaderTableSize = 1;
const settingMaxStreams = 3;
const settingInitialWindow = 4;
const settingMaxFrameSize = 5;
const settingMaxHeaderList = 6;

const typesOf = (peer: RawConnection): number[] => peer.received.map(({ type }) => type);

const pings = (peer: RawConnection): number => typesOf(peer).filter((type) => type === FrameType.ping).length;

const answer: RawPeerScript = { onRequest: (id, peer) => peer.headers(id, { endStream: true }) };

const sockets: readonly RigOptions[] = [
  { over: "tcp" },
  { over: "tls", tls: { key, cert }, nodeOptions: () => ({ ca: cert, checkServerIdentity: () => undefined }) },
  { over: "memory" },
];

describe.each(sockets)("over $over, a connection", (options) => {
  it("carries requests, drains and ends orderly", async () => {
    const rig = await startRig(
      {
        onRequest(id, peer) {
          peer.headers(id);
          peer.data(id, "hello");
          peer.trailers(id);
        },
      },
      options,
    );
    const tests = [1, 2, 3].map(() => openTestStream(rig.connection, { body: "x".repeat(1_000) }));
    for (const test of tests) {
      expect(await test.ended).toEqual({ kind: "complete" });
      expect(test.told).toEqual(["headers 200", "data", "trailers", "closed"]);
    }
    rig.peer.socket.on("end", () => rig.peer.socket.end());
    rig.connection.drain();
    expect(await rig.closed).toMatchObject({ orderly: true, streamsLost: 0 });
    expect(rig.told).toEqual(["ready", "closed"]);
    expect(rig.peer.received.at(-1)).toMatchObject({ type: FrameType.goaway, payload: Buffer.alloc(8) });
  });

  it("that the peer destroys tells its streams", async () => {
    const rig = await startRig({ onRequest: (_id, peer) => peer.socket.destroy() }, options);
    const test = openTestStream(rig.connection, { body: "" });
    expect(await test.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 14 } });
    expect(await rig.closed).toMatchObject({ orderly: false, streamsLost: 1 });
  });
});

it("sends its preface first, also on a socket on which the peer's SETTINGS wait already", async () => {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  socket.push(encodeFrame(FrameType.settings, 0, 0, Buffer.alloc(0)));
  const client = startTestClient({ socket });
  onTestFinished(() => client.connection.destroy(new Error("the test is over")));
  await client.ready;
  await until(() => Buffer.concat(written).length >= 73).toBe(true);
  expect(Buffer.concat(written).subarray(0, connectionPreface.length)).toEqual(connectionPreface);
  openTestStream(client.connection);
  expect(client.connection.inFlight).toBe(1);
});

describe("streams", () => {
  it("are opened up to the peer's limit, which may change", async () => {
    const { connection, peer, told } = await startRig({ onConnect: (raw) => raw.settings([[settingMaxStreams, 2]]) });
    const [first, second, third] = [1, 2, 3].map(() => openTestStream(connection)) as [
      TestStream,
      TestStream,
      TestStream,
    ];
    expect(await third.ended).toMatchObject({ kind: "broken", fate: "unsent" });
    expect(connection.inFlight).toBe(2);
    await until(() => typesOf(peer).includes(FrameType.headers)).toBe(true);
    peer.settings([[settingMaxStreams, 1]]);
    await until(() => connection.maxStreams).toBe(1);
    peer.headers(1, { endStream: true });
    await first.ended;
    // one is under way, and one is the limit
    expect(told).toEqual(["ready"]);
    expect(await openTestStream(connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    peer.headers(3, { endStream: true });
    await second.ended;
    expect(told).toEqual(["ready", "capacity"]);
    peer.settings([[settingMaxStreams, 0]]);
    await until(() => connection.maxStreams).toBe(0);
    expect(await openTestStream(connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    peer.settings([[settingMaxStreams, 100]]);
    await until(() => told).toEqual(["ready", "capacity", "capacity"]);
    const last = openTestStream(connection);
    await until(() => peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
    expect(last.told).toEqual([]);
  });

  it("may be opened as soon as there is room, while that is told", async () => {
    let left = 20;
    const ended: Promise<unknown>[] = [];
    const { connection, told } = await startRig(
      { ...answer, onConnect: (raw) => raw.settings([[settingMaxStreams, 1]]) },
      {
        onTold(what, self) {
          if (what !== "capacity" || left-- === 0) return;
          ended.push(openTestStream(self, { endStream: true }).ended);
        },
      },
    );
    await openTestStream(connection, { endStream: true }).ended;
    await until(() => ended.length).toBe(20);
    expect(await Promise.all(ended)).toEqual(Array(20).fill({ kind: "complete" }));
    expect(told.filter((what) => what === "capacity")).toHaveLength(21);
  });

  it("above the last id of the second GOAWAY are unprocessed, and the others finish", async () => {
    const rig = await startRig();
    const { connection, peer } = rig;
    const tests = [1, 2, 3].map(() => openTestStream(connection, { body: "" }));
    await until(() => peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
    peer.goaway(2 ** 31 - 1, 0);
    await until(() => rig.told).toEqual(["ready", "goaway 0 2147483647"]);
    expect(tests.map((test) => test.told)).toEqual([[], [], []]);
    expect(await openTestStream(connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    peer.goaway(3, 0);
    expect(await tests[2]?.ended).toMatchObject({ kind: "broken", fate: "unprocessed" });
    for (const id of [1, 3]) peer.headers(id, { endStream: true });
    expect(await Promise.all(tests.map(({ ended }) => ended))).toMatchObject([
      { kind: "complete" },
      { kind: "complete" },
      {},
    ]);
    peer.socket.end();
    expect(await rig.closed).toMatchObject({ orderly: true, streamsLost: 0 });
    expect(rig.told.slice(1)).toEqual(["goaway 0 2147483647", "goaway 0 3", "closed"]);
  });

  it("refused after their response began are ambiguous", async () => {
    const { connection } = await startRig({
      onRequest(id, peer) {
        peer.headers(id);
        peer.rstStream(id, ErrorCode.refusedStream);
      },
    });
    const end = await openTestStream(connection, { body: "" }).ended;
    expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", errorCode: ErrorCode.refusedStream });
  });

  it("refused by a GOAWAY after their response began are ambiguous", async () => {
    const { connection } = await startRig({
      onRequest(id, peer) {
        peer.headers(id);
        peer.goaway(0, 0);
      },
    });
    const { ended, told } = openTestStream(connection, { body: "" });
    expect(await ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
    expect(told).toEqual(["headers 200", "closed"]);
  });

  it("answered before they were sent are ambiguous", async () => {
    const rig = await startRig({}, { over: "memory" });
    const { ended, told } = openTestStream(rig.connection);
    rig.peer.headers(1);
    await new Promise((resolve) => process.nextTick(resolve));
    expect([told, typesOf(rig.peer).includes(FrameType.headers)]).toEqual([["headers 200"], false]);
    rig.connection.destroy(new Error("gone"));
    expect(await ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
  });

  it("of a turn in which the connection ends are unsent", async () => {
    const { connection, peer, closed } = await startRig();
    const tests = [1, 2, 3].map(() => openTestStream(connection, { body: "body" }));
    connection.destroy(new Error("gone"));
    for (const test of tests) {
      expect(test.told).toEqual(["closed"]);
      expect(await test.ended).toMatchObject({ kind: "broken", fate: "unsent" });
    }
    expect(await closed).toMatchObject({ orderly: false, streamsLost: 0 });
    expect(typesOf(peer)).not.toContain(FrameType.headers);
  });

  it("that wait for a socket which takes no more are unsent", async () => {
    const { connection, peer } = await startRig({
      onConnect(raw) {
        raw.settings([[settingInitialWindow, 2 ** 31 - 1]]);
        raw.windowUpdate(0, 2 ** 30);
      },
    });
    await until(() => connection.sendWindow.size > 2 ** 30).toBe(true);
    peer.socket.pause();
    const large = openTestStream(connection);
    while (large.stream.write(Buffer.alloc(200_000))) await new Promise((resolve) => setImmediate(resolve));
    await until(() => connection.writer.isFull).toBe(true);
    const unsent = openTestStream(connection, { body: "body" });
    await new Promise((resolve) => setImmediate(resolve));
    connection.destroy(new Error("gone"));
    expect(await large.ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
    expect(await unsent.ended).toMatchObject({ kind: "broken", fate: "unsent" });
  });
});

describe("every end of a connection", () => {
  const ends: [name: string, end: (rig: Rig, clock: FakeClock) => unknown, reason: RegExp][] = [
    ["FIN", ({ peer }) => peer.socket.end(), /the peer closed the connection/],
    ["a reset", ({ peer }) => peer.socket.resetAndDestroy(), /ECONNRESET/],
    ["destroy", ({ connection }) => connection.destroy(new Error("no more")), /no more/],
    [
      "destroy while it drains",
      ({ connection }) => {
        connection.drain();
        connection.destroy(new Error("no more"));
      },
      /no more/,
    ],
    [
      "a reset while it drains",
      ({ connection, peer }) => {
        connection.drain();
        peer.socket.resetAndDestroy();
      },
      /ECONNRESET/,
    ],
    [
      "a broken frame",
      ({ peer }) => peer.frame(FrameType.ping, 0, 1, "12345678"),
      /broke the protocol: PING on stream 1/,
    ],
    [
      "a broken header block",
      ({ peer }) => peer.frame(FrameType.headers, 4, 1, Buffer.from([0x80])),
      /broke the protocol/,
    ],
    [
      "GOAWAY with an error, and FIN",
      ({ peer }) => {
        peer.goaway(99, 2, "oops");
        peer.socket.end();
      },
      /INTERNAL_ERROR oops/,
    ],
    [
      "GOAWAY with an error, and nothing",
      async (rig, clock) => {
        rig.peer.goaway(99, 2, "oops");
        await until(() => rig.told).toContain("goaway 2 99");
        await clock.advance(1_000);
      },
      /INTERNAL_ERROR oops/,
    ],
    [
      "silence",
      async ({ peer }, clock) => {
        peer.socket.pause();
        await clock.advance(1_000);
        await passTime(clock, 250);
        await passTime(clock, 15_000);
      },
      /no answer to a PING in 15000 ms/,
    ],
    [
      "a keepalive ping that is not answered",
      async ({ peer }, clock) => {
        peer.socket.pause();
        await passTime(clock, 600);
        await passTime(clock, 15_000);
      },
      /no answer to a PING in 15000 ms/,
    ],
  ];

  it.each(ends)("settles its streams, whatever they do, once: %s", async (name, end, reason) => {
    const clock = new FakeClock();
    const pingIntervalMs = name.includes("keepalive") ? 500 : Number.POSITIVE_INFINITY;
    const rig = await startRig(
      { onConnect: (raw) => raw.settings([[settingInitialWindow, 100]]) },
      { clock, pingIntervalMs },
    );
    const { connection, peer } = rig;
    // waits, is read, is not read, sends, has to wait to send
    const tests = [1, 2, 3, 4, 5].map((each) => openTestStream(connection, each < 4 ? { body: "body" } : {}));
    tests[2]?.stream.pause();
    tests[3]?.stream.write(Buffer.alloc(10));
    tests[4]?.stream.write(Buffer.alloc(1_000));
    await until(() => peer.received.some(({ streamId, type }) => streamId === 9 && type === FrameType.data)).toBe(true);
    for (const id of [3, 5]) {
      peer.headers(id);
      peer.data(id, "some");
    }
    await until(() => tests.map(({ told }) => told.length)).toEqual([0, 2, 2, 0, 0]);
    await end(rig, clock);
    const { reason: seen, orderly, streamsLost } = await rig.closed;
    expect(seen.message).toMatch(reason);
    expect([orderly, streamsLost]).toEqual([false, 5]);
    for (const test of tests) {
      expect(await test.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: seen });
      expect(test.told.filter((what) => what === "closed")).toHaveLength(1);
      expect(test.told.at(-1)).toBe("closed");
    }
    expect(connection.inFlight).toBe(0);
    expect(rig.told.filter((what) => what === "closed")).toHaveLength(1);
    expect(rig.told.at(-1)).toBe("closed");
    await until(() => clock.pending).toBe(0);
    expect(await openTestStream(connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    connection.drain();
    connection.destroy(new Error("once more"));
    expect(rig.told.at(-1)).toBe("closed");
  });

  it.each(ends.slice(0, 4))("is told once to streams that end each other: %s", async (_name, end) => {
    const rig = await startRig();
    const giveUpAll = (what: string): void => {
      if (what !== "closed") return;
      for (const { stream } of tests) stream.cancel(new Error("all at once"));
    };
    const tests = [1, 2, 3].map(() => openTestStream(rig.connection, { body: "", onTold: giveUpAll }));
    await until(() => rig.peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
    await end(rig, new FakeClock());
    await rig.closed;
    expect(tests.map(({ told }) => told)).toEqual([["closed"], ["closed"], ["closed"]]);
    expect(rig.connection.inFlight).toBe(0);
  });

  it("is told once to streams that end each other while a GOAWAY refuses them", async () => {
    const rig = await startRig();
    const giveUpAll = (what: string): void => {
      if (what !== "closed") return;
      for (const { stream } of tests) stream.cancel(new Error("all at once"));
    };
    const tests = [1, 2, 3].map(() => openTestStream(rig.connection, { body: "", onTold: giveUpAll }));
    await until(() => rig.peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
    rig.peer.goaway(0, 0);
    rig.peer.socket.end();
    await rig.closed;
    expect(tests.map(({ told }) => told)).toEqual([["closed"], ["closed"], ["closed"]]);
  });

  it("is the last that is told, also when it comes in the middle of SETTINGS", async () => {
    const { connection, peer, told } = await startRig({
      onConnect: (raw) =>
        raw.settings([
          [settingInitialWindow, 1],
          [settingMaxStreams, 10],
        ]),
    });
    const onTold = (what: string): void => {
      if (what === "drained") connection.destroy(new Error("gone"));
    };
    const test = openTestStream(connection, { onTold });
    expect(test.stream.write(Buffer.alloc(2))).toBe(false);
    peer.settings([
      [settingInitialWindow, 10],
      [settingMaxStreams, 20],
    ]);
    await until(() => told).toContain("closed");
    expect(told).toEqual(["ready", "closed"]);
  });

  it.each(["headers 200", "data", "trailers", "closed"])("may come while a stream tells of %s", async (when) => {
    const rig = await startRig({
      onRequest(id, peer) {
        if (id !== 3) return;
        for (const each of [1, 3]) {
          peer.headers(each);
          peer.data(each, "data");
          peer.trailers(each);
        }
        peer.frame(FrameType.ping, 0, 0, Buffer.alloc(8));
        peer.settings([[settingMaxStreams, 10]]);
        peer.goaway(3, 0);
      },
    });
    const onTold = (what: string): void => {
      if (what === when) rig.connection.destroy(new Error("gone"));
    };
    const tests = [1, 2].map(() => openTestStream(rig.connection, { body: "", onTold }));
    await rig.closed;
    for (const { told } of tests) expect(told.indexOf("closed")).toBe(told.length - 1);
    expect(rig.told).toEqual(["ready", "closed"]);
    expect(rig.connection.inFlight).toBe(0);
  });

  it("leaves no timer after it was drained without a stream", async () => {
    const clock = new FakeClock();
    const rig = await startRig({}, { clock, pingIntervalMs: 1_000, pingIdleConnection: true });
    rig.connection.drain();
    rig.peer.socket.end();
    expect(await rig.closed).toMatchObject({ orderly: true });
    await until(() => clock.pending).toBe(0);
  });

  it.each([
    ["drain", ({ connection }) => connection.drain(), /was closed/],
    ["destroy", ({ connection }) => connection.destroy(new Error("given up")), /given up/],
    ["FIN", ({ peer }) => peer.socket.end(), /before its HTTP\/2 SETTINGS/],
  ] satisfies [string, (rig: Rig) => void, RegExp][])("is told before it is ready: %s", async (_name, end, reason) => {
    const clock = new FakeClock();
    const greeted = Promise.withResolvers<RawConnection>();
    const server = await startRawPeer({ onConnect: greeted.resolve });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const client = startTestClient({ port: server.port, clock });
    const early = openTestStream(client.connection);
    const peer = await greeted.promise;
    end({ ...client, peer });
    expect((await client.closed).reason.message).toMatch(reason);
    expect(await early.ended).toMatchObject({ kind: "broken", fate: "unsent" });
    expect(await openTestStream(client.connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    expect(client.told).toEqual(["closed"]);
    await until(() => clock.pending).toBe(0);
  });

  it("is told before it is dialled", async () => {
    const client = startTestClient({ port: 1, socket: new Duplex({ read() {}, write() {} }) });
    client.connection.destroy(new Error("given up"));
    expect(await client.closed).toMatchObject({ reason: { message: "given up" }, streamsLost: 0 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.told).toEqual(["closed"]);
  });
});

describe("a draining connection", () => {
  it("finishes its streams, then sends GOAWAY and FIN", async () => {
    const rig = await startRig();
    const test = openTestStream(rig.connection, { body: "" });
    await until(() => typesOf(rig.peer)).toContain(FrameType.headers);
    rig.connection.drain();
    rig.connection.drain();
    expect(await openTestStream(rig.connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    rig.peer.headers(1, { endStream: true });
    expect(await test.ended).toEqual({ kind: "complete" });
    await until(() => typesOf(rig.peer)).toContain(FrameType.goaway);
    rig.peer.socket.end();
    expect(await rig.closed).toMatchObject({
      orderly: true,
      streamsLost: 0,
      reason: { message: "connection 1 was closed" },
    });
    expect(rig.told).toEqual(["ready", "closed"]);
  });
});

describe("the peer's SETTINGS", () => {
  it("limit the headers of a request", async () => {
    const { connection } = await startRig({
      ...answer,
      onConnect: (raw) => raw.settings([[settingMaxHeaderList, 300]]),
    });
    const large = { headers: [["x-large", "x".repeat(300)]] } as const;
    expect(() => openTestStream(connection, large)).toThrow(
      /request headers of \d+ bytes are too large to send: at most 300/,
    );
    const further = { furtherHeaders: [["x-large", "x".repeat(300)]] } as const;
    expect(() => openTestStream(connection, further)).toThrow(/too large to send/);
    expect(connection.inFlight).toBe(0);
    expect(await openTestStream(connection, { endStream: true }).ended).toEqual({ kind: "complete" });
  });

  it.each([
    [16_384, [FrameType.headers, FrameType.continuation, FrameType.continuation]],
    [20_000, [FrameType.headers, FrameType.continuation]],
    [65_536, [FrameType.headers]],
  ])("limit the frames of headers to %i bytes", async (maxFrameSize, expected) => {
    const { connection, peer } = await startRig({
      onConnect: (raw) => raw.settings([[settingMaxFrameSize, maxFrameSize]]),
    });
    const value = "x".repeat(35_000);
    openTestStream(connection, { endStream: true, headers: [["a", value]], furtherHeaders: [["b", "c"]] });
    await until(() => peer.received.filter(({ streamId }) => streamId === 1).map(({ type }) => type)).toEqual(expected);
    const frames = peer.received.filter(({ streamId }) => streamId === 1);
    expect(Math.max(...frames.map(({ payload }) => payload.length))).toBeLessThanOrEqual(maxFrameSize);
    expect(frames.map(({ flags }) => flags)).toEqual(
      frames.map((_frame, index) => (index === 0 ? 1 : 0) | (index === frames.length - 1 ? 4 : 0)),
    );
    const decoder = new HpackDecoder({ maxHeaderListSize: 2 ** 20 });
    const decoded = decoder.decode(Buffer.concat(frames.map(({ payload }) => payload)));
    expect(decoded.tooLarge === false && decoded.fields.slice(-2)).toEqual([
      ["a", value],
      ["b", "c"],
    ]);
  });

  it("with a smaller header table are followed by a table size update, once", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingHeaderTableSize, 100]]) });
    for (let count = 0; count < 2; count++) openTestStream(connection, { endStream: true });
    const blocks = (): Buffer[] =>
      peer.received.filter(({ type }) => type === FrameType.headers).map(({ payload }) => payload);
    await until(() => blocks().length).toBe(2);
    expect(blocks()[0]?.[0]).toBe(0x20);
    expect(blocks()[0]?.subarray(1)).toEqual(blocks()[1]);
    const decoder = new HpackDecoder({ maxTableSize: 100, maxHeaderListSize: 2 ** 16 });
    for (const block of blocks()) expect(decoder.decode(block)).toMatchObject({ tooLarge: false });
  });

  it("are acknowledged", async () => {
    const { peer } = await startRig();
    peer.settings([[99, 1]]);
    const acks = () => peer.received.filter(({ type, flags }) => type === FrameType.settings && flags === 1);
    await until(() => acks().length).toBe(2);
  });
});

describe("a peer that does not answer", () => {
  it("is told of to the streams that are open, also of a connection that drains", async () => {
    const clock = new FakeClock();
    const { connection, peer } = await startRig({}, { clock });
    const answering = openTestStream(connection, { body: "" });
    const waiting = openTestStream(connection, { body: "" });
    const answered = openTestStream(connection, { body: "" });
    await until(() => peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
    peer.headers(1);
    peer.headers(5, { endStream: true });
    await answered.ended;
    connection.drain();
    peer.socket.pause();
    await passTime(clock, 1_000);
    await passTime(clock, 250);
    expect(answering.told).toEqual(["headers 200", "suspected"]);
    expect(waiting.told).toEqual(["suspected"]);
    expect(answered.told).toEqual(["headers 200", "closed"]);
  });

  it("is suspect, and no more when it is heard", async () => {
    const clock = new FakeClock();
    const { connection, peer, told } = await startRig({}, { clock });
    const test = openTestStream(connection, { body: "" });
    await until(() => typesOf(peer)).toContain(FrameType.headers);
    peer.socket.pause();
    await passTime(clock, 999);
    await passTime(clock, 1);
    await passTime(clock, 249);
    expect([connection.suspect, told]).toEqual([false, ["ready"]]);
    await passTime(clock, 1);
    expect([connection.suspect, told, test.told]).toEqual([true, ["ready", "suspect"], ["suspected"]]);
    // it still takes streams: others are only better
    const other = openTestStream(connection, { body: "" });
    peer.socket.resume();
    await until(() => told).toEqual(["ready", "suspect", "well"]);
    expect(connection.suspect).toBe(false);
    expect(pings(peer)).toBe(1);
    await until(() => peer.received.some(({ streamId }) => streamId === 3)).toBe(true);
    for (const id of [1, 3]) peer.headers(id, { endStream: true });
    expect([await test.ended, await other.ended]).toEqual([{ kind: "complete" }, { kind: "complete" }]);
  });

  it("is asked nothing while no stream is open, and leaves no timer", async () => {
    const clock = new FakeClock();
    const { connection, peer } = await startRig(answer, { clock });
    await openTestStream(connection, { endStream: true }).ended;
    await passTime(clock, 60_000);
    expect(pings(peer)).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it("is not told of while it drains", async () => {
    const clock = new FakeClock();
    const { connection, peer, told } = await startRig({}, { clock });
    openTestStream(connection, { body: "" });
    await until(() => typesOf(peer)).toContain(FrameType.headers);
    connection.drain();
    peer.socket.pause();
    await passTime(clock, 1_000);
    await passTime(clock, 250);
    expect([connection.suspect, told]).toEqual([true, ["ready"]]);
  });
});

it("keeps the process alive only while a stream is open", async () => {
  const calls: string[] = [];
  const { connection, peer, closed } = await startRig(
    {},
    {
      nodeOptions: () => ({
        createConnection(_authority, { host, port }) {
          const socket = connect(port, host);
          return Object.assign(socket, {
            ref: () => calls.push("ref"),
            unref: () => calls.push("unref"),
          });
        },
      }),
    },
  );
  expect(calls).toEqual(["unref"]);
  const tests = [1, 2].map(() => openTestStream(connection, { body: "" }));
  expect(calls).toEqual(["unref", "ref"]);
  await until(() => peer.received.some(({ streamId }) => streamId === 3)).toBe(true);
  peer.headers(1, { endStream: true });
  await tests[0]?.ended;
  expect(calls).toEqual(["unref", "ref"]);
  tests[1]?.stream.cancel(new Error("enough"));
  expect(calls).toEqual(["unref", "ref", "unref"]);
  openTestStream(connection);
  connection.destroy(new Error("gone"));
  await closed;
  expect(calls).toEqual(["unref", "ref", "unref", "ref", "unref"]);
});

it("whose peer finds that it pings too often is followed by one that pings half as often", async () => {
  const clock = new FakeClock();
  const server = await startRawPeer({});
  onTestFinished(() => server[Symbol.asyncDispose]());
  const connector = createHttp2Connector({
    target: parseTarget(`http://127.0.0.1:${server.port}`),
    clock,
    pingIntervalMs: 1_000,
    pingIdleConnection: true,
  });
  for (const pingAfterMs of [1_000, 2_000, 4_000]) {
    const ready = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<unknown>();
    const ignore = { capacity() {}, suspicion() {}, goaway() {} };
    const endpoint = createEndpoint({ host: "127.0.0.1", port: server.port });
    connector.connect(endpoint, { ready: ready.resolve, closed: closed.resolve, ...ignore });
    await ready.promise;
    const peer = server.connections.at(-1) as RawConnection;
    await passTime(clock, pingAfterMs - 1);
    expect(pings(peer)).toBe(0);
    await passTime(clock, 1);
    await until(() => pings(peer)).toBe(1);
    peer.goaway(0, ErrorCode.enhanceYourCalm, "too_many_pings");
    peer.socket.end();
    await closed.promise;
  }
});

it("of several that are told at a time that they ping too often is followed by one that pings half as often", async () => {
  const clock = new FakeClock();
  const server = await startRawPeer({});
  onTestFinished(() => server[Symbol.asyncDispose]());
  const connector = createHttp2Connector({
    target: parseTarget(`http://127.0.0.1:${server.port}`),
    clock,
    pingIntervalMs: 1_000,
    pingIdleConnection: true,
  });
  const connect = async (): Promise<{ readonly peer: RawConnection; readonly closed: Promise<unknown> }> => {
    const ready = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<unknown>();
    const ignore = { capacity() {}, suspicion() {}, goaway() {} };
    const endpoint = createEndpoint({ host: "127.0.0.1", port: server.port });
    connector.connect(endpoint, { ready: ready.resolve, closed: closed.resolve, ...ignore });
    await ready.promise;
    return { peer: server.connections.at(-1) as RawConnection, closed: closed.promise };
  };
  const told = [await connect(), await connect(), await connect()];
  for (const { peer } of told) {
    peer.goaway(0, ErrorCode.enhanceYourCalm, "too_many_pings");
    peer.socket.end();
  }
  await Promise.all(told.map(({ closed }) => closed));
  const { peer, closed } = await connect();
  await passTime(clock, 2_000);
  await until(() => pings(peer)).toBe(1);
  peer.socket.end();
  await closed;
});

describe("keepalive", () => {
  const options = { pingIntervalMs: 1_000, pingTimeoutMs: 5_000, pingIdleConnection: true };

  it("takes any byte for life: an answer may be far behind a large response", async () => {
    const clock = new FakeClock();
    const { connection, peer, told } = await startRig({ answersPings: false }, { ...options, clock });
    const test = openTestStream(connection, { body: "" });
    await until(() => typesOf(peer)).toContain(FrameType.headers);
    peer.headers(1);
    await until(() => test.told).toEqual(["headers 200"]);
    await passTime(clock, 1_000);
    await until(() => pings(peer)).toBeGreaterThan(0);
    await passTime(clock, 4_000);
    peer.data(1, "some of it");
    await until(() => test.bodyBytes).toBe(10);
    await passTime(clock, 1_000);
    expect(told).not.toContain("closed");
    await passTime(clock, 5_000);
    await until(() => told).toContain("closed");
  });

  it("sends no ping while the peer is heard", async () => {
    const clock = new FakeClock();
    const { connection, peer } = await startRig({}, { ...options, clock });
    const test = openTestStream(connection, { body: "" });
    await until(() => typesOf(peer)).toContain(FrameType.headers);
    peer.headers(1);
    for (let count = 1; count <= 10; count++) {
      await passTime(clock, 600);
      peer.data(1, "x");
      await until(() => test.bodyBytes).toBe(count);
    }
    expect(pings(peer)).toBe(0);
    await passTime(clock, 1_000);
    await until(() => pings(peer)).toBeGreaterThan(0);
  });
});

describe("what a connection says of its end", () => {
  it("is the error of a GOAWAY, also where a GOAWAY without one came before", async () => {
    const { connection, peer, closed, told } = await startRig();
    const test = openTestStream(connection, { body: "" });
    await until(() => typesOf(peer)).toContain(FrameType.headers);
    peer.goaway(1, 0);
    peer.goaway(1, ErrorCode.internalError, "oops");
    await until(() => told).toHaveLength(3);
    peer.socket.end();
    expect(await closed).toMatchObject({
      orderly: false,
      reason: { message: expect.stringMatching(/INTERNAL_ERROR oops/) },
    });
    expect(await test.ended).toMatchObject({ fate: "ambiguous" });
  });

  it("is orderly where it was drained before it was ready", async () => {
    const client = startTestClient({ port: 1, socket: new Duplex({ read() {}, write() {} }) });
    client.connection.drain();
    expect(await client.closed).toMatchObject({ orderly: true, reason: { message: "connection 1 was closed" } });
  });

  it("is told once, though a stream destroys it while its last frames are written", async () => {
    const greeting = encodeFrame(FrameType.settings, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
    const window = encodeFrame(FrameType.windowUpdate, 0, 0, Buffer.from([0x70, 0, 0, 0]));
    const socket = new Duplex({ highWaterMark: 2 ** 24, read() {}, write: (_chunk, _encoding, done) => done() });
    socket.push(Buffer.concat([greeting, window]));
    const client = startTestClient({ socket });
    await client.ready;
    const test = openTestStream(client.connection, {
      onTold: (what) => what === "drained" && client.connection.destroy(new Error("enough")),
    });
    expect(test.stream.write(Buffer.alloc(300_000))).toBe(false);
    socket.emit("data", encodeFrame(FrameType.ping, 0, 1, Buffer.alloc(8)));
    await client.closed;
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.told.filter((what) => what === "closed")).toHaveLength(1);
  });
});

it("pings of a peer that come with the answers to our requests are no flood", async () => {
  const { connection, told } = await startRig(
    {
      answersPings: false,
      onRequest(id, raw) {
        raw.frame(FrameType.ping, 0, 0, Buffer.alloc(8));
        raw.headers(id, { endStream: true });
      },
    },
    { clock: new FakeClock() },
  );
  for (let batch = 0; batch < 120; batch++) {
    await Promise.all(Array.from({ length: 100 }, () => openTestStream(connection, { endStream: true }).ended));
  }
  expect(told).toEqual(["ready"]);
});

it("takes no more streams while a peer reads nothing, and keeps its memory bounded", async () => {
  const socket = new Duplex({ read() {}, write() {} });
  socket.push(encodeFrame(FrameType.settings, 0, 0, Buffer.alloc(0)));
  const client = startTestClient({ socket, clock: new FakeClock() });
  onTestFinished(() => client.connection.destroy(new Error("the test is over")));
  await client.ready;
  const headers = [["a", "b".repeat(10_000)]] as const;
  const tests: TestStream[] = [];
  for (let count = 0; count < 3_000; count++) {
    const test = openTestStream(client.connection, { headers, endStream: true });
    test.stream.cancel(new Error("the deadline"));
    tests.push(test);
  }
  expect(client.connection.writer.waitingBytes).toBeLessThan(17 * 2 ** 20);
  expect(await tests.at(-1)?.ended).toMatchObject({ kind: "broken", fate: "unsent" });
});

it("looks only at streams that it can send for when the connection's window grows", async () => {
  const { connection, peer } = await startRig({
    onConnect(raw) {
      raw.settings([[settingInitialWindow, 0]]);
    },
  });
  for (let count = 0; count < 100; count++) openTestStream(connection).stream.write(Buffer.from("blocked"));
  const pump = vi.spyOn(ClientStream.prototype, "pump");
  onTestFinished(() => pump.mockRestore());
  for (let count = 0; count < 100; count++) peer.windowUpdate(0, 1);
  peer.windowUpdate(199, 100);
  await until(() => peer.received.some(({ type, streamId }) => type === FrameType.data && streamId === 199)).toBe(true);
  expect(pump.mock.calls.length).toBeLessThan(200);
});

it("keeps nothing of a stream that has ended", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { connection, told } = await startRig({
    onRequest(id, raw) {
      raw.headers(id);
      raw.data(id, "hello");
      raw.trailers(id);
    },
  });
  const kept = await (async () => {
    const test = openTestStream(connection, { body: "" });
    await test.ended;
    return new WeakRef(test.stream);
  })();
  await until(() => {
    collect();
    return kept.deref() === undefined;
  }).toBe(true);
  expect(told).toEqual(["ready"]);
});

it("keeps no memory for frames once it has ended", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const bytes = (): number => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = bytes();
  const ended = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      const client = startTestClient({ socket });
      client.connection.destroy(new Error("gone"));
      await client.closed;
      return client.connection;
    }),
  );
  await until(() => bytes() - before).toBeLessThan(ended.length * 32 * 1024);
});

it("reads what comes through a socket that nodeOptions name as the one under TLS", async () => {
  const server = await startRawPeer(answer, { key, cert });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const client = startTestClient({
    port: server.port,
    scheme: "https",
    nodeOptions: () => ({ socket: connect(server.port, "127.0.0.1"), ca: cert, checkServerIdentity: () => undefined }),
  });
  onTestFinished(() => client.connection.destroy(new Error("the test is over")));
  await client.ready;
  expect(await openTestStream(client.connection, { endStream: true }).ended).toEqual({ kind: "complete" });
});
