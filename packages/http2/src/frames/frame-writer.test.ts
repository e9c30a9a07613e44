import { describe, expect, it } from "vitest";
import { someBytes } from "../../test-helpers/rig.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import { encodeHeaderBlock } from "../hpack/encoder.ts";
import { connectionPreface, encodeFrame, Flag, FrameType, frameHeaderBytes } from "./frame.ts";
import { type FrameSink, FrameWriter } from "./frame-writer.ts";

class Sink implements FrameSink {
  /** What was written at once. */
  readonly writes: (readonly Uint8Array[])[] = [];
  takesMore = true;
  rooms = 0;
  onRoom = (): void => {};

  write(chunks: readonly Uint8Array[]): boolean {
    this.writes.push(chunks);
    return this.takesMore;
  }

  hasRoom(): void {
    this.rooms++;
    this.onRoom();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes.flat());
  }

  /** Type, flags, stream and payload bytes of each frame. */
  get frames(): (readonly [type: number, flags: number, streamId: number, length: number])[] {
    const { bytes } = this;
    const frames: (readonly [number, number, number, number])[] = [];
    for (let start = 0; start < bytes.length; ) {
      const length = bytes.readUIntBE(start, 3);
      frames.push([bytes.readUInt8(start + 3), bytes.readUInt8(start + 4), bytes.readUInt32BE(start + 5), length]);
      start += frameHeaderBytes + length;
    }
    return frames;
  }
}

function create(): { readonly sink: Sink; readonly writer: FrameWriter } {
  const sink = new Sink();
  return { sink, writer: new FrameWriter(sink) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const block = encodeHeaderBlock([[":method", "POST"]]);
const payload = Buffer.from("12345678");

describe("FrameWriter", () => {
  it("writes the frames of a turn at once, in their order", async () => {
    const { sink, writer } = create();
    writer.raw(connectionPreface);
    writer.settings(Buffer.from("000300000007", "hex"));
    writer.settingsAck();
    writer.headers(1, block, [], false);
    writer.headers(3, block, [], true);
    writer.data(1, Buffer.from("body"), false);
    writer.data(1, Buffer.alloc(0), true);
    writer.rstStream(3, 0xfffffffe);
    writer.ping(payload);
    writer.pingAck(payload);
    writer.goaway(2 ** 31 - 1, 11, "calm");
    writer.windowUpdate(5, 2 ** 31 - 1);
    expect(sink.writes).toEqual([]);
    await turn();
    expect(sink.writes).toHaveLength(1);
    expect(sink.writes[0]).toHaveLength(1);
    expect(sink.bytes).toEqual(
      Buffer.concat([
        connectionPreface,
        encodeFrame(FrameType.settings, 0, 0, Buffer.from("000300000007", "hex")),
        encodeFrame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0)),
        encodeFrame(FrameType.headers, Flag.endHeaders, 1, block),
        encodeFrame(FrameType.headers, Flag.endHeaders | Flag.endStream, 3, block),
        encodeFrame(FrameType.data, 0, 1, Buffer.from("body")),
        encodeFrame(FrameType.data, Flag.endStream, 1, Buffer.alloc(0)),
        encodeFrame(FrameType.rstStream, 0, 3, Buffer.from("fffffffe", "hex")),
        encodeFrame(FrameType.ping, 0, 0, payload),
        encodeFrame(FrameType.ping, Flag.ack, 0, payload),
        encodeFrame(
          FrameType.goaway,
          0,
          0,
          Buffer.concat([Buffer.from("7fffffff0000000b", "hex"), Buffer.from("calm")]),
        ),
        encodeFrame(FrameType.windowUpdate, 0, 5, Buffer.from("7fffffff", "hex")),
      ]),
    );
    await turn();
    expect(sink.writes).toHaveLength(1);
  });

  it("does not change what it has written", async () => {
    const { sink, writer } = create();
    writer.ping(payload);
    await turn();
    const first = Buffer.from(sink.bytes);
    writer.ping(Buffer.alloc(8, 0xff));
    await turn();
    expect(sink.writes).toHaveLength(2);
    expect(sink.bytes.subarray(0, first.length)).toEqual(first);
  });

  it("writes any number of frames of any size as they are", async () => {
    const { sink, writer } = create();
    const expected: Buffer[] = [];
    for (let size = 0; size < 16_384; size += 97) {
      const chunk = someBytes(size, size);
      const streamId = 2 * size + 1;
      writer.data(streamId, chunk, false);
      writer.windowUpdate(streamId, size);
      writer.headers(streamId, block, [["x-size", String(size)]], true);
      writer.rstStream(streamId, size);
      writer.ping(payload);
      const fields = encodeHeaderBlock([["x-size", String(size)]]);
      const number = Buffer.alloc(4);
      number.writeUInt32BE(size);
      expected.push(
        encodeFrame(FrameType.data, 0, streamId, chunk),
        encodeFrame(FrameType.windowUpdate, 0, streamId, number),
        encodeFrame(FrameType.headers, Flag.endHeaders | Flag.endStream, streamId, Buffer.concat([block, fields])),
        encodeFrame(FrameType.rstStream, 0, streamId, number),
        encodeFrame(FrameType.ping, 0, 0, payload),
      );
    }
    await turn();
    expect(sink.bytes.equals(Buffer.concat(expected))).toBe(true);
  });

  it.each([
    ["DATA", (writer) => writer.data(1, Buffer.from("xyz"), true), encodeFrame(0, 1, 1, Buffer.from("xyz"))],
    ["RST_STREAM", (writer) => writer.rstStream(1, 8), encodeFrame(3, 0, 1, Buffer.from("00000008", "hex"))],
    ["SETTINGS", (writer) => writer.settings(Buffer.alloc(6, 1)), encodeFrame(4, 0, 0, Buffer.alloc(6, 1))],
    ["PING", (writer) => writer.ping(payload), encodeFrame(6, 0, 0, payload)],
    ["an answer to PING", (writer) => writer.pingAck(payload), encodeFrame(6, 1, 0, payload)],
    [
      "GOAWAY",
      (writer) => writer.goaway(1, 2, "oops"),
      encodeFrame(7, 0, 0, Buffer.concat([Buffer.from("0000000100000002", "hex"), Buffer.from("oops")])),
    ],
    ["WINDOW_UPDATE", (writer) => writer.windowUpdate(1, 9), encodeFrame(8, 0, 1, Buffer.from("00000009", "hex"))],
    ["HEADERS", (writer) => writer.headers(1, block, [], false), encodeFrame(1, 4, 1, block)],
  ] satisfies [string, (writer: FrameWriter) => void, Buffer][])(
    "writes %s as it is where it does not fit what was there",
    async (_name, write, expected) => {
      for (let free = 1; free <= 40; free++) {
        const { sink, writer } = create();
        const before = someBytes(64 * 1024 - free);
        writer.raw(before);
        write(writer);
        writer.ping(payload);
        await turn();
        const all = Buffer.concat([before, expected, encodeFrame(FrameType.ping, 0, 0, payload)]);
        expect(sink.bytes.equals(all)).toBe(true);
      }
    },
  );

  it("writes large payloads from where they are, and copies small ones", async () => {
    const { sink, writer } = create();
    const large = someBytes(16_384);
    const small = Buffer.from("small");
    writer.data(1, small, false);
    writer.data(1, large, true);
    writer.data(3, small, false);
    small.fill(0);
    await turn();
    const [chunks] = sink.writes;
    expect(chunks).toHaveLength(3);
    expect(chunks?.[1]).toBe(large);
    const expected = Buffer.from("small");
    expect(
      sink.bytes.equals(
        Buffer.concat([
          encodeFrame(FrameType.data, 0, 1, expected),
          encodeFrame(FrameType.data, Flag.endStream, 1, large),
          encodeFrame(FrameType.data, 0, 3, expected),
        ]),
      ),
    ).toBe(true);
  });

  it.each([
    [16_384, 16_384, [16_384]],
    [16_384, 16_385, [16_384, 1]],
    [16_384, 40_000, [16_384, 16_384, 7_232]],
    [32_768, 32_768, [32_768]],
    [20_000, 200_000, Array<number>(10).fill(20_000)],
  ])("cuts headers to frames of up to %i bytes: %i", async (maxFrameSize, total, expected) => {
    const { sink, writer } = create();
    writer.maxFrameSize = maxFrameSize;
    const fields = [["x-a", "first"]] as const;
    const further = [["x-large", ""]] as const;
    const rest = total - encodeHeaderBlock([...fields, ["x-large", "v".repeat(total - 40)]]).length + total - 40;
    const value = "v".repeat(rest);
    writer.headers(7, encodeHeaderBlock(fields), [[further[0][0], value]], true);
    writer.data(7, payload, false);
    await turn();
    const last = expected.length - 1;
    expect(sink.frames).toEqual([
      ...expected.map((length, index) => [
        index === 0 ? FrameType.headers : FrameType.continuation,
        (index === 0 ? Flag.endStream : 0) | (index === last ? Flag.endHeaders : 0),
        7,
        length,
      ]),
      [FrameType.data, 0, 7, 8],
    ]);
    let offset = 0;
    const parts = expected.map((length) => {
      const part = sink.bytes.subarray(offset + frameHeaderBytes, offset + frameHeaderBytes + length);
      offset += frameHeaderBytes + length;
      return part;
    });
    const decoder = new HpackDecoder({ maxHeaderListSize: 2 ** 20 });
    expect(decoder.decode(Buffer.concat(parts))).toMatchObject({ fields: [...fields, ["x-large", value]] });
  });

  it("keeps what the sink has no room for, and writes it at once when there is room", async () => {
    const { sink, writer } = create();
    sink.takesMore = false;
    writer.ping(payload);
    expect([writer.isFull, writer.flushes]).toEqual([false, 0]);
    await turn();
    expect([writer.isFull, writer.flushes, writer.waitingBytes]).toEqual([true, 1, 0]);
    writer.windowUpdate(1, 1);
    writer.data(1, someBytes(5_000), false);
    await turn();
    writer.flush();
    expect(sink.writes).toHaveLength(1);
    expect([writer.flushes, writer.waitingBytes]).toEqual([1, 13 + 9 + 5_000]);
    expect(sink.rooms).toBe(0);
    writer.drained();
    expect(sink.writes).toHaveLength(2);
    expect([writer.isFull, writer.flushes, sink.rooms]).toEqual([true, 2, 0]);
    sink.takesMore = true;
    writer.drained();
    expect([writer.isFull, writer.flushes, sink.rooms]).toEqual([false, 2, 1]);
    writer.drained();
    expect(sink.rooms).toBe(1);
    expect(sink.frames.map(([type]) => type)).toEqual([FrameType.ping, FrameType.windowUpdate, FrameType.data]);
  });

  it("goes on by itself after it was blocked", async () => {
    const { sink, writer } = create();
    sink.takesMore = false;
    writer.ping(payload);
    await turn();
    writer.ping(payload);
    sink.takesMore = true;
    writer.drained();
    expect(sink.writes).toHaveLength(2);
    writer.ping(payload);
    await turn();
    expect(sink.writes).toHaveLength(3);
  });

  it("is full at 256 KiB, and tells when they are gone", async () => {
    const { sink, writer } = create();
    const chunk = someBytes(16_384);
    let count = 0;
    while (!writer.isFull) {
      writer.data(1, chunk, false);
      count++;
    }
    expect(count).toBe(16);
    sink.onRoom = () => {
      expect(writer.isFull).toBe(false);
      if (sink.rooms === 1) writer.data(1, chunk, true);
    };
    await turn();
    expect([sink.writes.length, sink.rooms, writer.isFull]).toEqual([1, 1, false]);
    await turn();
    expect(sink.frames.at(-1)).toEqual([FrameType.data, Flag.endStream, 1, 16_384]);
    expect(sink.rooms).toBe(1);
  });

  it("counts the times that it wrote something", async () => {
    const { sink, writer } = create();
    writer.flush();
    await turn();
    expect(writer.flushes).toBe(0);
    writer.ping(payload);
    writer.flush();
    expect(writer.flushes).toBe(1);
    writer.flush();
    await turn();
    expect([writer.flushes, sink.writes.length]).toEqual([1, 1]);
  });

  it("writes nothing after it was closed", async () => {
    const { sink, writer } = create();
    writer.ping(payload);
    writer.close();
    writer.data(1, someBytes(10_000), true);
    writer.flush();
    writer.drained();
    await turn();
    expect(sink.writes).toEqual([]);
  });
});
