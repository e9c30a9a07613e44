import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { type RawConnection, uint32 } from "../test-helpers/raw-peer.ts";
import { type Rig, startRig, until } from "../test-helpers/rig.ts";
import { openTestStream } from "../test-helpers/test-client.ts";
import { ErrorCode } from "./error-code.ts";
import { encodeFrame, Flag, FrameType, readUint32 } from "./frames/frame.ts";
import { encodeHeaderBlock } from "./hpack/encoder.ts";

/** Stream 1 has ended, stream 3 is open, stream 5 was given up, and more were never opened. */
async function startWithStreams(): Promise<Rig & { readonly open: ReturnType<typeof openTestStream> }> {
  const rig = await startRig({}, { clock: new FakeClock() });
  const [ended, open, cancelled] = [1, 2, 3].map(() => openTestStream(rig.connection)) as [
    ReturnType<typeof openTestStream>,
    ReturnType<typeof openTestStream>,
    ReturnType<typeof openTestStream>,
  ];
  await until(() => rig.peer.received.some(({ streamId }) => streamId === 5)).toBe(true);
  rig.peer.headers(1, { endStream: true });
  await ended.ended;
  cancelled.stream.cancel(new Error("enough"));
  await until(() =>
    rig.peer.received.some(({ type, streamId }) => type === FrameType.rstStream && streamId === 5),
  ).toBe(true);
  return { ...rig, open };
}

/** What is sent, and checks that the connection ends with that GOAWAY and leaves nothing behind. */
async function expectGoaway(send: (peer: RawConnection) => void, errorCode: number, text: RegExp): Promise<void> {
  const { peer, open, closed, connection, told } = await startWithStreams();
  send(peer);
  const { reason, orderly, streamsLost } = await closed;
  expect(reason.message).toMatch(text);
  expect(reason).toMatchObject({ name: "StatusError", code: 14 });
  expect([orderly, streamsLost, connection.inFlight]).toEqual([false, 1, 0]);
  expect(await open.ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: reason });
  expect(open.told.filter((what) => what === "closed")).toHaveLength(1);
  expect(open.told.at(-1)).toBe("closed");
  const goaway = () => peer.received.find(({ type }) => type === FrameType.goaway)?.payload;
  await until(() => goaway() !== undefined).toBe(true);
  const payload = goaway() as Buffer;
  expect([readUint32(payload, 0), readUint32(payload, 4)]).toEqual([0, errorCode]);
  expect(payload.toString("latin1", 8)).toMatch(text);
  // what follows is not heard any more
  peer.headers(3, { endStream: true });
  expect(told.at(-1)).toBe("closed");
}

const headers = (peer: RawConnection, streamId: number, flags: number, block: readonly number[]): void =>
  peer.frame(FrameType.headers, flags, streamId, Buffer.from(block));

const { protocolError, flowControlError, frameSizeError, streamClosed, compressionError, enhanceYourCalm } = ErrorCode;

describe("a peer that breaks the protocol is told so, and its connection ends", () => {
  it.each([
    ["DATA on stream 0", (peer) => peer.data(0, "x"), protocolError, /DATA on stream 0/],
    ["DATA on an idle stream", (peer) => peer.data(7, "x"), protocolError, /DATA on stream 7, which was never opened/],
    ["DATA on a stream of its own", (peer) => peer.data(2, "x"), protocolError, /stream 2, which was never opened/],
    ["DATA on a stream that has ended", (peer) => peer.data(1, "x"), streamClosed, /DATA on stream 1, which has ended/],
    ["DATA with too much padding", (peer) => peer.frame(0, 8, 3, Buffer.from([1])), protocolError, /padding of DATA/],
    ["padded DATA of 0 bytes", (peer) => peer.frame(0, 8, 3), frameSizeError, /padded DATA of 0 bytes/],
    ["HEADERS on stream 0", (peer) => peer.headers(0), protocolError, /HEADERS on stream 0/],
    ["HEADERS on an idle stream", (peer) => peer.headers(7), protocolError, /HEADERS on stream 7, which was never/],
    ["HEADERS on a stream of its own", (peer) => peer.headers(2), protocolError, /HEADERS on stream 2, which was/],
    ["HEADERS on a stream that has ended", (peer) => peer.headers(1), streamClosed, /HEADERS on stream 1, which has/],
    ["HEADERS with too much padding", (peer) => headers(peer, 3, 0xc, [2, 0x88]), protocolError, /padding of HEADERS/],
    [
      "HEADERS too short for their flags",
      (peer) => headers(peer, 3, 0x2c, [0, 0]),
      frameSizeError,
      /HEADERS of 2 bytes/,
    ],
    ["a block that is none", (peer) => headers(peer, 3, 4, [0x80]), compressionError, /index 0/],
    ["a block that is cut", (peer) => headers(peer, 3, 4, [0x40, 5, 97]), compressionError, /a string of 5 bytes/],
    [
      "a block for a stream given up",
      (peer) => headers(peer, 5, 4, [0xff, 0xff]),
      compressionError,
      /middle of a field/,
    ],
    [
      "a table above our SETTINGS",
      (peer) => headers(peer, 3, 4, [0x3f, 0xe2, 0x1f]),
      compressionError,
      /of 4097 bytes/,
    ],
    [
      "a frame in the middle of a block",
      (peer) => {
        headers(peer, 3, 0, [0x88]);
        peer.frame(FrameType.ping, 0, 0, Buffer.alloc(8));
      },
      protocolError,
      /in the middle of a header block/,
    ],
    [
      "CONTINUATION of another stream",
      (peer) => {
        headers(peer, 3, 0, [0x88]);
        peer.frame(FrameType.continuation, 4, 5);
      },
      protocolError,
      /in the middle of a header block/,
    ],
    ["CONTINUATION alone", (peer) => peer.frame(FrameType.continuation, 4, 3), protocolError, /CONTINUATION without/],
    ["RST_STREAM on stream 0", (peer) => peer.rstStream(0, 0), protocolError, /RST_STREAM on stream 0/],
    ["RST_STREAM on an idle stream", (peer) => peer.rstStream(7, 0), protocolError, /stream 7, which was never opened/],
    ["RST_STREAM of 3 bytes", (peer) => peer.frame(3, 0, 3, "abc"), frameSizeError, /RST_STREAM of 3 bytes/],
    ["PRIORITY on stream 0", (peer) => peer.frame(2, 0, 0, "abcde"), protocolError, /PRIORITY on stream 0/],
    ["PRIORITY of 4 bytes", (peer) => peer.frame(2, 0, 3, "abcd"), frameSizeError, /PRIORITY of 4 bytes/],
    ["SETTINGS on a stream", (peer) => peer.frame(4, 0, 3), protocolError, /SETTINGS on stream 3/],
    ["SETTINGS of 5 bytes", (peer) => peer.frame(4, 0, 0, "abcde"), frameSizeError, /SETTINGS of 5 bytes/],
    ["SETTINGS with ACK and values", (peer) => peer.frame(4, 1, 0, "abcdef"), frameSizeError, /SETTINGS with ACK of 6/],
    ["ENABLE_PUSH of 2", (peer) => peer.settings([[2, 2]]), protocolError, /SETTINGS_ENABLE_PUSH of 2/],
    [
      "a window of 2^31",
      (peer) => peer.settings([[4, 2 ** 31]]),
      flowControlError,
      /INITIAL_WINDOW_SIZE of 2147483648/,
    ],
    ["MAX_FRAME_SIZE of 16383", (peer) => peer.settings([[5, 16_383]]), protocolError, /MAX_FRAME_SIZE of 16383/],
    ["MAX_FRAME_SIZE of 2^24", (peer) => peer.settings([[5, 2 ** 24]]), protocolError, /MAX_FRAME_SIZE of 16777216/],
    [
      "a window that SETTINGS overflow",
      (peer) => {
        peer.windowUpdate(3, 2 ** 31 - 1 - 65_535);
        peer.settings([[4, 65_536]]);
      },
      flowControlError,
      /SETTINGS_INITIAL_WINDOW_SIZE overflows a window/,
    ],
    ["PUSH_PROMISE", (peer) => peer.frame(5, 4, 3, uint32(2)), protocolError, /PUSH_PROMISE/],
    ["PING on a stream", (peer) => peer.frame(6, 0, 3, Buffer.alloc(8)), protocolError, /PING on stream 3/],
    ["PING of 7 bytes", (peer) => peer.frame(6, 0, 0, Buffer.alloc(7)), frameSizeError, /PING of 7 bytes/],
    ["GOAWAY on a stream", (peer) => peer.frame(7, 0, 3, Buffer.alloc(8)), protocolError, /GOAWAY on stream 3/],
    ["GOAWAY of 7 bytes", (peer) => peer.frame(7, 0, 0, Buffer.alloc(7)), frameSizeError, /GOAWAY of 7 bytes/],
    ["WINDOW_UPDATE of 0", (peer) => peer.windowUpdate(0, 0), protocolError, /WINDOW_UPDATE of 0 bytes/],
    ["WINDOW_UPDATE of 5 bytes", (peer) => peer.frame(8, 0, 0, "abcde"), frameSizeError, /WINDOW_UPDATE of 5 bytes/],
    ["WINDOW_UPDATE on an idle stream", (peer) => peer.windowUpdate(7, 1), protocolError, /7, which was never opened/],
    ["a window overflown", (peer) => peer.windowUpdate(0, 2 ** 31 - 1), flowControlError, /overflows the connection's/],
    ["a frame of 16385 bytes", (peer) => peer.data(3, Buffer.alloc(16_385)), frameSizeError, /a frame of 16385 bytes/],
  ] satisfies [string, (peer: RawConnection) => void, number, RegExp][])("%s", async (_name, send, errorCode, text) => {
    await expectGoaway(send, errorCode, text);
  });

  it("whatever it broke, where it began with something else than SETTINGS", async () => {
    const { closed, peer, told } = await startRig({
      onConnect(raw) {
        raw.windowUpdate(0, 1);
        raw.settings();
      },
    });
    expect((await closed).reason.message).toMatch(/first frame is not SETTINGS, before its HTTP\/2 SETTINGS/);
    await until(() => peer.received.some(({ type }) => type === FrameType.goaway)).toBe(true);
    expect(told).toEqual(["closed"]);
  });
});

describe("a peer that keeps us busy is told to be calm, and its connection ends", () => {
  /** Frames in few, large writes. */
  function flood(peer: RawConnection, frame: Buffer, count: number): void {
    for (let sent = 0; sent < count; sent += 1_000) {
      if (peer.socket.writable) peer.socket.write(Buffer.concat(Array<Buffer>(1_000).fill(frame)));
    }
  }

  const none = Buffer.alloc(0);
  it.each([
    ["SETTINGS", encodeFrame(FrameType.settings, 0, 0, none), /a flood of/],
    ["large SETTINGS", encodeFrame(FrameType.settings, 0, 0, Buffer.alloc(12_000)), /a flood of SETTINGS/],
    ["acknowledged SETTINGS", encodeFrame(FrameType.settings, Flag.ack, 0, none), /a flood of SETTINGS/],
    ["PING", encodeFrame(FrameType.ping, 0, 0, Buffer.alloc(8)), /a flood of/],
    ["acknowledged PING", encodeFrame(FrameType.ping, Flag.ack, 0, Buffer.alloc(8)), /a flood of PING/],
    ["RST_STREAM", encodeFrame(FrameType.rstStream, 0, 5, uint32(0)), /a flood of RST_STREAM/],
    ["empty DATA", encodeFrame(FrameType.data, 0, 5, none), /a flood of empty DATA/],
    ["DATA of padding", encodeFrame(FrameType.data, Flag.padded, 5, Buffer.alloc(11, 10)), /a flood of empty DATA/],
    [
      "informational HEADERS",
      encodeFrame(FrameType.headers, Flag.endHeaders, 3, encodeHeaderBlock([[":status", "103"]])),
      /a flood of HEADERS/,
    ],
    [
      "HEADERS of a stream that was given up",
      encodeFrame(FrameType.headers, Flag.endHeaders, 5, Buffer.from([0x88])),
      /a flood of HEADERS/,
    ],
    ["PRIORITY", encodeFrame(FrameType.priority, 0, 7, Buffer.alloc(5)), /a flood of frames without a meaning/],
    ["unknown frames", encodeFrame(99, 0xff, 12, Buffer.from("abc")), /a flood of frames without a meaning/],
  ])("%s", async (_name, frame, text) => {
    await expectGoaway((peer) => flood(peer, frame, 20_000), enhanceYourCalm, text);
  });

  it("GOAWAY", async () => {
    const { closed, peer, open } = await startWithStreams();
    const frame = encodeFrame(FrameType.goaway, 0, 0, Buffer.concat([uint32(2 ** 31 - 1), uint32(0)]));
    flood(peer, frame, 20_000);
    expect((await closed).reason.message).toMatch(/a flood of GOAWAY/);
    expect(await open.ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
  });

  it("a block of many CONTINUATION", async () => {
    const send = (peer: RawConnection): void => {
      headers(peer, 3, 0, [0x88]);
      flood(peer, encodeFrame(FrameType.continuation, 0, 3, none), 1_000);
    };
    await expectGoaway(send, enhanceYourCalm, /a header block of more than/);
  });

  it("a block that is too large", async () => {
    const fragment = Buffer.alloc(16_000, 0x88);
    const send = (peer: RawConnection): void => {
      peer.frame(FrameType.headers, 0, 3, fragment);
      for (let sent = 16_000; sent <= 4 * 65_536; sent += 16_000) peer.frame(FrameType.continuation, 0, 3, fragment);
    };
    await expectGoaway(send, enhanceYourCalm, /a header block of more than/);
  });

  it("but not one that is as busy as that in ten seconds", async () => {
    const clock = new FakeClock();
    const { peer, told } = await startRig({}, { clock });
    for (let second = 0; second < 10; second++) {
      for (let count = 0; count < 2_000; count += 500) {
        for (let each = 0; each < 500; each++) peer.frame(FrameType.priority, 0, 3, "abcde");
        peer.frame(FrameType.ping, 0, 0, uint32(second * 10_000 + count).toString("hex"));
        const acks = (): number => peer.received.filter(({ type }) => type === FrameType.ping).length;
        await until(acks).toBe(second * 4 + count / 500 + 1);
      }
      clock.tick(1_000);
    }
    expect(told).toEqual(["ready"]);
  });
});
