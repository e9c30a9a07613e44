import { once } from "node:events";
import { createServer } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen, type RawConnection, type RawFrame } from "../test-helpers/raw-peer.ts";
import { someBytes, startRig, until } from "../test-helpers/rig.ts";
import { openTestStream, startTestClient, type TestStream } from "../test-helpers/test-client.ts";
import { ErrorCode } from "./error-code.ts";
import { Flag, FrameType, readUint32 } from "./frames/frame.ts";

const settingInitialWindow = 4;
const settingMaxFrameSize = 5;

const framesOf = (peer: RawConnection, type: number, streamId: number): RawFrame[] =>
  peer.received.filter((frame) => frame.type === type && frame.streamId === streamId);

const bodyOf = (peer: RawConnection, streamId: number): Buffer =>
  Buffer.concat(framesOf(peer, FrameType.data, streamId).map(({ payload }) => payload));

const grantedTo = (peer: RawConnection, streamId: number): number[] =>
  framesOf(peer, FrameType.windowUpdate, streamId).map(({ payload }) => readUint32(payload, 0));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const wholeRequest = (peer: RawConnection, streamId: number): boolean =>
  framesOf(peer, FrameType.data, streamId).some(({ flags }) => (flags & Flag.endStream) !== 0);

describe("what is received", () => {
  it("of a stream that is not read is one window, and the other streams go on", async () => {
    const { connection, peer } = await startRig();
    const [slow, fast] = [openTestStream(connection), openTestStream(connection)];
    slow.stream.pause();
    await until(() => framesOf(peer, FrameType.headers, 3)).toHaveLength(1);
    for (const id of [1, 3]) peer.headers(id);
    for (let sent = 0; sent < 65_536; sent += 8_192) peer.data(1, someBytes(8_192));
    // three times the window of the connection, which the slow stream must not use up
    for (let round = 1; round <= 48; round++) {
      for (let sent = 0; sent < 65_536; sent += 8_192) peer.data(3, someBytes(8_192));
      await until(() => sum(grantedTo(peer, 3)) >= round * 65_536 - 32_768).toBe(true);
    }
    peer.data(3, "", { endStream: true });
    expect(await fast.ended).toEqual({ kind: "complete" });
    expect(fast.bodyBytes).toBe(48 * 65_536);
    expect(slow.bodyBytes).toBe(65_536);
    expect(grantedTo(peer, 1)).toEqual([]);
    slow.stream.resume();
    await until(() => grantedTo(peer, 1)).toEqual([65_536]);
    slow.stream.resume();
    peer.data(1, "rest", { endStream: true });
    expect(await slow.ended).toEqual({ kind: "complete" });
  });

  it("above the window of a stream ends that stream alone", async () => {
    const { connection, peer, told } = await startRig();
    const [slow, other] = [openTestStream(connection), openTestStream(connection)];
    slow.stream.pause();
    await until(() => framesOf(peer, FrameType.headers, 3)).toHaveLength(1);
    for (const id of [1, 3]) peer.headers(id);
    for (let sent = 0; sent < 65_536; sent += 8_192) peer.data(1, someBytes(8_192));
    peer.data(1, "x");
    peer.data(1, "and more");
    expect(await slow.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 13 } });
    expect(slow.bodyBytes).toBe(65_536);
    expect(slow.told).toEqual(["headers 200", "data", "closed"]);
    await until(() => framesOf(peer, FrameType.rstStream, 1)).toHaveLength(1);
    expect(framesOf(peer, FrameType.rstStream, 1)[0]?.payload).toEqual(Buffer.from([0, 0, 0, 3]));
    peer.data(3, "fine", { endStream: true });
    expect(await other.ended).toEqual({ kind: "complete" });
    expect(told).toEqual(["ready"]);
  });

  it("is given back in few updates", async () => {
    const { connection, peer } = await startRig();
    const { ended } = openTestStream(connection, { body: "" });
    await until(() => framesOf(peer, FrameType.headers, 1)).toHaveLength(1);
    peer.headers(1);
    for (let round = 0; round < 16; round++) {
      for (let frame = 0; frame < 64; frame++) peer.data(1, someBytes(1_024));
      await until(() => sum(grantedTo(peer, 1))).toBe((round + 1) * 65_536);
    }
    peer.data(1, "", { endStream: true });
    await ended;
    expect(grantedTo(peer, 1).length).toBe(32);
    // the first is that of the preface
    expect(grantedTo(peer, 0)).toEqual([2 ** 20 - 65_535, 2 ** 19, 2 ** 19]);
  });

  it("counts padding, and hands on none of it", async () => {
    const { connection, peer } = await startRig();
    const test = openTestStream(connection, { body: "" });
    await until(() => framesOf(peer, FrameType.headers, 1)).toHaveLength(1);
    peer.headers(1);
    const padded = Buffer.concat([Buffer.from([200]), Buffer.from("ab"), Buffer.alloc(200)]);
    for (let sent = 0; sent < 65_536 / 2; sent += padded.length) peer.frame(FrameType.data, Flag.padded, 1, padded);
    await until(() => sum(grantedTo(peer, 1))).toBe(padded.length * Math.ceil(65_536 / 2 / padded.length));
    peer.frame(FrameType.data, Flag.padded | Flag.endStream, 1, Buffer.from([2, 0, 0]));
    expect(await test.ended).toEqual({ kind: "complete" });
    expect(test.body.toString()).toBe("ab".repeat(Math.ceil(65_536 / 2 / padded.length)));
  });

  it("of a node:http2 server stays within the window of a stream that is not read", async () => {
    const server = createServer();
    const payload = someBytes(3 * 2 ** 20);
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200 });
      stream.end(payload);
    });
    const port = await listen(server);
    onTestFinished(async () => {
      server.close();
      await once(server, "close");
    });
    const client = startTestClient({ port });
    onTestFinished(async () => {
      client.connection.destroy(new Error("the test is over"));
      await client.closed;
    });
    await client.ready;
    const slow = openTestStream(client.connection, { body: "" });
    slow.stream.pause();
    const others = [1, 2, 3].map(() => openTestStream(client.connection, { body: "" }));
    for (const other of others) {
      expect(await other.ended).toEqual({ kind: "complete" });
      expect(other.body.equals(payload)).toBe(true);
    }
    await until(() => slow.bodyBytes).toBe(65_536);
    slow.stream.resume();
    expect(await slow.ended).toEqual({ kind: "complete" });
    expect(slow.body.equals(payload)).toBe(true);
  });
});

describe("what is sent", () => {
  it("waits for the window of the stream, and is asked for again once", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 1_000]]) });
    const test = openTestStream(connection);
    expect(test.stream.write(Buffer.alloc(1_000, "a"))).toBe(true);
    expect(test.stream.write(Buffer.alloc(4_000, "b"))).toBe(false);
    expect(test.stream.write(Buffer.alloc(4_000, "c"))).toBe(false);
    await until(() => bodyOf(peer, 1).length).toBe(1_000);
    peer.windowUpdate(1, 3_000);
    await until(() => bodyOf(peer, 1).length).toBe(4_000);
    expect(test.told).toEqual([]);
    peer.windowUpdate(1, 5_001);
    await until(() => bodyOf(peer, 1).length).toBe(9_000);
    expect(test.told).toEqual(["drained"]);
    expect(bodyOf(peer, 1).toString()).toBe("a".repeat(1_000) + "b".repeat(4_000) + "c".repeat(4_000));
    test.stream.end();
    await until(() => wholeRequest(peer, 1)).toBe(true);
  });

  it("ends with END_STREAM behind bytes that had to wait", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 10]]) });
    const test = openTestStream(connection);
    test.stream.end(Buffer.from("twelve bytes"));
    await until(() => bodyOf(peer, 1).toString()).toBe("twelve byt");
    expect(wholeRequest(peer, 1)).toBe(false);
    peer.windowUpdate(1, 100);
    await until(() => bodyOf(peer, 1).toString()).toBe("twelve bytes");
    expect(framesOf(peer, FrameType.data, 1).map(({ flags }) => flags)).toEqual([0, Flag.endStream]);
  });

  it("needs no window where there is nothing but the end", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 0]]) });
    const test = openTestStream(connection);
    test.stream.end();
    await until(() => wholeRequest(peer, 1)).toBe(true);
  });

  it("waits below a window that SETTINGS made negative", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 10_000]]) });
    const test = openTestStream(connection);
    test.stream.write(Buffer.alloc(10_000));
    expect(test.stream.write(Buffer.from("0123456789"))).toBe(false);
    await until(() => bodyOf(peer, 1).length).toBe(10_000);
    peer.settings([[settingInitialWindow, 100]]); // -9900
    peer.windowUpdate(1, 9_900); // 0
    const later = openTestStream(connection);
    await until(() => framesOf(peer, FrameType.headers, 3)).toHaveLength(1);
    expect(later.stream.write(Buffer.alloc(101))).toBe(false);
    await until(() => bodyOf(peer, 3).length).toBe(100);
    expect(bodyOf(peer, 1).length).toBe(10_000);
    peer.windowUpdate(1, 4);
    await until(() => bodyOf(peer, 1).subarray(10_000).toString()).toBe("0123");
    expect(test.told).toEqual([]);
    peer.settings([[settingInitialWindow, 200]]); // for both streams
    await until(() => bodyOf(peer, 1).subarray(10_000).toString()).toBe("0123456789");
    await until(() => bodyOf(peer, 3).length).toBe(101);
    expect([test.told, later.told]).toEqual([["drained"], ["drained"]]);
  });

  it.each(["tcp", "memory"] as const)("of 5 MiB through small windows is byte-exact (%s)", async (over) => {
    const payload = someBytes(5 * 2 ** 20);
    let unacknowledged = 0;
    const { connection, peer } = await startRig(
      {
        onConnect: (raw) => raw.settings([[settingInitialWindow, 30_001]]),
        onFrame({ type, payload, flags }, raw) {
          if (type !== FrameType.data) return;
          unacknowledged += payload.length;
          expect(unacknowledged).toBeLessThanOrEqual(30_001);
          if (unacknowledged > 20_000) {
            raw.windowUpdate(1, unacknowledged);
            raw.windowUpdate(0, unacknowledged);
            unacknowledged = 0;
          }
          if ((flags & Flag.endStream) !== 0) raw.headers(1, { endStream: true });
        },
      },
      { over },
    );
    let offset = 0;
    const writeOn = (): void => {
      for (let piece = 1; offset < payload.length; piece = (piece * 7 + 13) % 70_000) {
        const chunk = payload.subarray(offset, offset + piece);
        offset += piece;
        if (offset >= payload.length) test.stream.end(chunk);
        else if (!test.stream.write(chunk)) return;
      }
    };
    const test = openTestStream(connection, { onTold: (what) => what === "drained" && writeOn() });
    writeOn();
    expect(await test.ended).toEqual({ kind: "complete" });
    expect(bodyOf(peer, 1).equals(payload)).toBe(true);
  });

  it.each([
    ["16384 by default", [], 16_384],
    ["as large as the peer's MAX_FRAME_SIZE", [[settingMaxFrameSize, 40_000]], 40_000],
  ] as const)("is cut to frames %s", async (_name, settings, expected) => {
    const { connection, peer } = await startRig({
      onConnect: (raw) => raw.settings([...settings, [settingInitialWindow, 65_535]]),
    });
    const payload = someBytes(60_000);
    openTestStream(connection).stream.end(payload);
    await until(() => bodyOf(peer, 1).length).toBe(payload.length);
    expect(bodyOf(peer, 1).equals(payload)).toBe(true);
    expect(Math.max(...framesOf(peer, FrameType.data, 1).map((frame) => frame.payload.length))).toBe(expected);
  });

  it("waits for a peer that does not read, within bounds, and loses nothing", async () => {
    const { connection, peer } = await startRig({
      onConnect(raw) {
        raw.settings([[settingInitialWindow, 2 ** 31 - 1]]);
        raw.windowUpdate(0, 2 ** 30);
      },
    });
    await until(() => connection.sendWindow.size).toBeGreaterThan(2 ** 30);
    peer.socket.pause();
    const test = openTestStream(connection);
    const payload = someBytes(100_000);
    let written = 0;
    while (test.stream.write(payload)) {
      written++;
      await sleep(0);
    }
    expect(written).toBeLessThan(1_000);
    expect(connection.writer.waitingBytes).toBeLessThan(512 * 1024);
    expect(test.told).toEqual([]);
    peer.socket.resume();
    await until(() => test.told).toEqual(["drained"]);
    test.stream.end();
    await until(() => bodyOf(peer, 1).length).toBe((written + 1) * payload.length);
  });

  it("of many streams is shared fairly", async () => {
    const { connection, peer } = await startRig({
      onConnect: (raw) => raw.settings([[settingInitialWindow, 2 ** 20]]),
    });
    const ids = [1, 3, 5, 7];
    for (const _ of ids) openTestStream(connection).stream.write(someBytes(200_000));
    const total = (): number => sum(ids.map((id) => bodyOf(peer, id).length));
    await until(total).toBe(65_535);
    for (let round = 1; round <= 8; round++) {
      peer.windowUpdate(0, 16_384);
      await until(total).toBe(65_535 + round * 16_384);
    }
    for (const id of ids.slice(1)) expect(bodyOf(peer, id).length, `stream ${id}`).toBeGreaterThanOrEqual(2 * 16_384);
  });

  it("of a short stream does not wait for a long one to end", async () => {
    const { connection, peer } = await startRig({
      onConnect: (raw) => raw.settings([[settingInitialWindow, 2 ** 20]]),
      onFrame({ type, payload, streamId }, raw) {
        if (type === FrameType.data && streamId === 1) raw.windowUpdate(0, payload.length);
      },
    });
    const long = openTestStream(connection, { onTold: (what) => what === "drained" && more() });
    const more = (): void => void long.stream.write(someBytes(100_000));
    more();
    openTestStream(connection).stream.end(Buffer.from("short"));
    await until(() => wholeRequest(peer, 3)).toBe(true);
  });

  it("stops where a stream is given up", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 10]]) });
    const test = openTestStream(connection);
    test.stream.write(Buffer.alloc(20));
    await until(() => bodyOf(peer, 1).length).toBe(10);
    test.stream.cancel(new Error("enough"));
    peer.windowUpdate(1, 1_000);
    expect(test.stream.write(Buffer.alloc(20))).toBe(true);
    test.stream.end();
    await until(() => framesOf(peer, FrameType.rstStream, 1)).toHaveLength(1);
    expect(bodyOf(peer, 1).length).toBe(10);
    expect(test.told).toEqual(["closed"]);
    expect(connection.sendWindow.size).toBe(65_525);
  });
});

describe("a stream", () => {
  /** Opens one, and answers it when its headers have arrived. */
  async function answered(
    answer: (peer: RawConnection) => void,
    options: Parameters<typeof openTestStream>[1] = { body: "" },
  ): Promise<TestStream & { readonly peer: RawConnection; readonly connection: { readonly inFlight: number } }> {
    const { connection, peer } = await startRig({ onRequest: (_id, raw) => answer(raw) });
    const test = openTestStream(connection, options);
    return Object.assign(Object.create(test), { peer, connection }) as TestStream & {
      readonly peer: RawConnection;
      readonly connection: { readonly inFlight: number };
    };
  }

  it("tells headers, data, trailers and its end in this order", async () => {
    const test = await answered((peer) => {
      peer.headers(1, {
        fields: [
          [":status", "200"],
          ["content-type", "application/proto"],
        ],
      });
      peer.data(1, "one ");
      peer.data(1, "two");
      peer.headers(1, {
        endStream: true,
        fields: [
          ["grpc-status", "0"],
          ["grpc-message", "fine"],
        ],
      });
    });
    expect(await test.ended).toEqual({ kind: "complete" });
    expect(test.told).toEqual(["headers 200", "data", "trailers", "closed"]);
    expect(test.headers).toEqual([["content-type", "application/proto"]]);
    expect(test.body.toString()).toBe("one two");
    expect(test.trailers).toEqual([
      ["grpc-status", "0"],
      ["grpc-message", "fine"],
    ]);
  });

  it("takes no notice of informational responses", async () => {
    const test = await answered((peer) => {
      for (const status of ["100", "103", "199"])
        peer.headers(1, {
          fields: [
            [":status", status],
            ["link", "x"],
          ],
        });
      peer.headers(1, { endStream: true, fields: [[":status", "204"]] });
    });
    expect(await test.ended).toEqual({ kind: "complete" });
    expect(test.told).toEqual(["headers 204", "closed"]);
    expect(test.headers).toEqual([]);
  });

  it.each([
    ["data before its headers", (peer) => peer.data(1, "x"), /body before its headers/],
    ["no status", (peer) => peer.headers(1, { fields: [["a", "b"]] }), /no :status/],
    ["a status that is none", (peer) => peer.headers(1, { fields: [[":status", "20"]] }), /:status "20"/],
    ["a status of 101", (peer) => peer.headers(1, { fields: [[":status", "101"]] }), /:status 101/],
    [
      "a name in upper case",
      (peer) =>
        peer.headers(1, {
          fields: [
            [":status", "200"],
            ["Ab", ""],
          ],
        }),
      /malformed/,
    ],
    [
      "a value with a line break",
      (peer) =>
        peer.headers(1, {
          fields: [
            [":status", "200"],
            ["a", "b\n"],
          ],
        }),
      /malformed/,
    ],
    [
      "an end with a 1xx status",
      (peer) => peer.headers(1, { endStream: true, fields: [[":status", "100"]] }),
      /ended with a 1xx/,
    ],
    [
      "trailers without an end",
      (peer) => {
        peer.headers(1);
        peer.headers(1, { fields: [["grpc-status", "0"]] });
      },
      /headers in its middle/,
    ],
    [
      "a status in trailers",
      (peer) => {
        peer.headers(1);
        peer.headers(1, { endStream: true });
      },
      /:status in trailers/,
    ],
  ] satisfies [string, (peer: RawConnection) => void, RegExp][])(
    "with %s is reset with PROTOCOL_ERROR, and its connection lives",
    async (_name, answer, text) => {
      const test = await answered(answer);
      const end = await test.ended;
      expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 13 } });
      expect(end.kind === "broken" && end.error.message).toMatch(text);
      expect(test.told.at(-1)).toBe("closed");
      await until(() =>
        framesOf(test.peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0)),
      ).toEqual([ErrorCode.protocolError]);
      expect(framesOf(test.peer, FrameType.goaway, 0)).toEqual([]);
      expect(test.connection.inFlight).toBe(0);
    },
  );

  it("answered to its end before its request ended is reset with NO_ERROR", async () => {
    const test = await answered((peer) => peer.headers(1, { endStream: true }), {});
    expect(await test.ended).toEqual({ kind: "complete" });
    await until(() => framesOf(test.peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0))).toEqual(
      [ErrorCode.noError],
    );
    test.peer.windowUpdate(1, 10);
    test.peer.rstStream(1, ErrorCode.noError);
    test.stream.end(Buffer.from("too late"));
    test.peer.frame(FrameType.ping, 0, 0, Buffer.alloc(8));
    await until(() => framesOf(test.peer, FrameType.ping, 0)).toHaveLength(1);
    expect(bodyOf(test.peer, 1).length).toBe(0);
  });

  it("answered to its end after its request ended is not reset", async () => {
    const test = await answered((peer) => peer.headers(1, { endStream: true }), { endStream: true });
    expect(await test.ended).toEqual({ kind: "complete" });
    test.peer.frame(FrameType.ping, 0, 0, Buffer.alloc(8));
    await until(() => framesOf(test.peer, FrameType.ping, 0)).toHaveLength(1);
    expect(framesOf(test.peer, FrameType.rstStream, 1)).toEqual([]);
    expect(framesOf(test.peer, FrameType.data, 1)).toEqual([]);
  });

  it("that is given up is reset with CANCEL, and what still arrives for it is ignored", async () => {
    const { connection, peer, told } = await startRig();
    const test = openTestStream(connection, { body: "" });
    const other = openTestStream(connection, { body: "" });
    await until(() => framesOf(peer, FrameType.headers, 3)).toHaveLength(1);
    peer.headers(1, { fields: [[":status", "200"]] });
    await until(() => test.told).toEqual(["headers 200"]);
    const reason = new Error("enough");
    test.stream.cancel(reason);
    expect(await test.ended).toEqual({ kind: "broken", fate: "ambiguous", errorCode: undefined, error: reason });
    await until(() => framesOf(peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0))).toEqual([
      ErrorCode.cancel,
    ]);
    for (let sent = 0; sent < 2 ** 20; sent += 16_384) peer.data(1, Buffer.alloc(16_384));
    // its header blocks count for the tables, so that others can still be read
    const kept = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from("a"), Buffer.from([1]), Buffer.from("b")]);
    peer.frame(FrameType.headers, Flag.endHeaders, 1, kept);
    peer.windowUpdate(1, 100);
    peer.windowUpdate(1, 0);
    peer.rstStream(1, ErrorCode.internalError);
    peer.frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 3, Buffer.from([0x88, 0x80 | 62]));
    expect(await other.ended).toEqual({ kind: "complete" });
    expect(other.headers).toEqual([["a", "b"]]);
    expect(test.told).toEqual(["headers 200", "closed"]);
    expect(told).toEqual(["ready"]);
    await until(() => sum(grantedTo(peer, 0).slice(1))).toBe(2 ** 20);
  });

  it.each(["headers 200", "data", "trailers"])("may be given up while it tells of %s", async (when) => {
    const test = await answered(
      (peer) => {
        peer.headers(1);
        peer.data(1, "one");
        peer.data(1, "two");
        peer.trailers(1);
      },
      { onTold: (what, self) => what === when && self.stream.cancel(new Error("enough")) },
    );
    expect((await test.ended).kind).toBe(when === "trailers" ? "complete" : "broken");
    await sleep(5);
    expect(test.told.at(-1)).toBe("closed");
    expect(test.told.filter((what) => what === "closed")).toHaveLength(1);
    expect(test.told.indexOf(when)).toBe(test.told.length - 2);
  });

  it("with headers that are too large is reset, and its connection lives", async () => {
    const test = await answered((peer) => {
      peer.headers(1);
      // a header of 4000 bytes, and a thousand references of one byte to it
      const field = Buffer.concat([Buffer.from([0x40, 1, 97, 0x7f, 0x80 | 33, 30]), Buffer.alloc(4_000, "b")]);
      const block = Buffer.concat([field, Buffer.alloc(1_000, 0x80 | 62)]);
      peer.frame(FrameType.headers, Flag.endHeaders | Flag.endStream, 1, block);
    });
    const end = await test.ended;
    expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 8 } });
    expect(end.kind === "broken" && end.error.message).toMatch(/response headers of \d+ bytes are too large/);
    await until(() => framesOf(test.peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0))).toEqual(
      [ErrorCode.enhanceYourCalm],
    );
    expect(framesOf(test.peer, FrameType.goaway, 0)).toEqual([]);
  });

  it("whose window is overflown by the peer is reset with FLOW_CONTROL_ERROR", async () => {
    const test = await answered((peer) => peer.windowUpdate(1, 2 ** 31 - 1), {});
    expect(await test.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 13 } });
    await until(() => framesOf(test.peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0))).toEqual(
      [ErrorCode.flowControlError],
    );
  });

  it("whose window is grown by 0 is reset with PROTOCOL_ERROR", async () => {
    const test = await answered((peer) => peer.windowUpdate(1, 0), {});
    expect(await test.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 13 } });
    await until(() => framesOf(test.peer, FrameType.rstStream, 1).map(({ payload }) => readUint32(payload, 0))).toEqual(
      [ErrorCode.protocolError],
    );
  });
});

describe("the window of a stream", () => {
  it("that SETTINGS made larger is used behind the answer to them, as peers may wait for that", async () => {
    const { connection, peer } = await startRig({ onConnect: (raw) => raw.settings([[settingInitialWindow, 10]]) });
    const test = openTestStream(connection);
    test.stream.end(Buffer.from("twelve bytes"));
    await until(() => bodyOf(peer, 1).length).toBe(10);
    peer.settings([[settingInitialWindow, 100]]);
    await until(() => wholeRequest(peer, 1)).toBe(true);
    const last = peer.received.slice(-2).map(({ type, flags }) => [type, flags]);
    expect(last).toEqual([
      [FrameType.settings, Flag.ack],
      [FrameType.data, Flag.endStream],
    ]);
  });
});

describe("a response whose body is not of its content-length", () => {
  const answer = async (status: string, length: string, body: string, method = "POST"): Promise<TestStream> => {
    const { connection } = await startRig({
      onRequest(id, raw) {
        const fields = [
          [":status", status],
          ["content-length", length],
        ] as const;
        raw.headers(id, { fields, endStream: body === "" });
        if (body !== "") raw.data(id, body, { endStream: true });
      },
    });
    return openTestStream(connection, { method, endStream: true });
  };

  it.each([
    ["too short", "200", "10", "123456789"],
    ["too long", "200", "10", "12345678901"],
    ["missing", "200", "1", ""],
    ["that has no length", "200", "ten", "1234567890"],
    ["that has two lengths", "200", "3, 4", "abc"],
  ])("is malformed: %s", async (_name, status, length, body) => {
    const test = await answer(status, length, body);
    const end = await test.ended;
    expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code: 13 } });
    expect(end.kind === "broken" && end.error.message).toMatch(/malformed response: .*content-length/);
    expect(test.told.filter((what) => what === "closed")).toHaveLength(1);
  });

  it.each([
    ["of that length", "200", "10", "1234567890", "POST"],
    ["of nothing", "200", "0", "", "POST"],
    ["to HEAD", "200", "10", "", "HEAD"],
    ["of status 304", "304", "10", "", "GET"],
    ["of status 204", "204", "0", "", "POST"],
  ])("is whole: %s", async (_name, status, length, body, method) => {
    expect(await (await answer(status, length, body, method)).ended).toEqual({ kind: "complete" });
  });

  it("is malformed with trailers too", async () => {
    const { connection } = await startRig({
      onRequest(id, raw) {
        const fields = [
          [":status", "200"],
          ["content-length", "5"],
        ] as const;
        raw.headers(id, { fields });
        raw.data(id, "1234");
        raw.trailers(id);
      },
    });
    const test = openTestStream(connection, { endStream: true });
    expect(await test.ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
    expect(test.told).toEqual(["headers 200", "data", "closed"]);
  });
});
