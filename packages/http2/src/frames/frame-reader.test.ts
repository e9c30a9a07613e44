import { describe, expect, it } from "vitest";
import { uint32 } from "../../test-helpers/raw-peer.ts";
import { ErrorCode } from "../error-code.ts";
import { encodeFrame, Flag, FrameType } from "./frame.ts";
import { type FrameHandler, FrameReader } from "./frame-reader.ts";
import { ProtocolError } from "./protocol-error.ts";
import { encodeSettings } from "./settings.ts";

const limits = { maxFrameSize: 16_384, maxHeaderBlockBytes: 65_536 };
const none = Buffer.alloc(0);

/** Notes what it is told; pieces of DATA as one. */
class Notes implements FrameHandler {
  readonly notes: string[] = [];
  #data = none;
  #dataStreamId = 0;

  dataFrame(streamId: number, flowLength: number): void {
    this.#dataStreamId = streamId;
    this.notes.push(`DATA ${streamId} of ${flowLength}`);
  }
  data(streamId: number, chunk: Uint8Array, endStream: boolean): void {
    expect(streamId).toBe(this.#dataStreamId);
    const last = this.notes.pop() ?? "";
    if (last.startsWith("DATA ")) this.notes.push(last);
    else expect(last).toBe(`data ${this.#data.toString("latin1")}`);
    this.#data = last.startsWith("DATA ") ? Buffer.from(chunk) : Buffer.concat([this.#data, chunk]);
    this.notes.push(`data ${this.#data.toString("latin1")}`);
    if (endStream) this.notes.push(`end ${streamId}`);
  }
  headers(streamId: number, block: Buffer, endStream: boolean): void {
    this.notes.push(`HEADERS ${streamId} ${block.toString("latin1")}${endStream ? " end" : ""}`);
  }
  rstStream(streamId: number, errorCode: number): void {
    this.notes.push(`RST_STREAM ${streamId} ${errorCode}`);
  }
  settings(payload: Buffer): void {
    this.notes.push(`SETTINGS ${payload.toString("hex")}`);
  }
  settingsAck(): void {
    this.notes.push("SETTINGS ACK");
  }
  ping(payload: Buffer): void {
    this.notes.push(`PING ${payload.toString("latin1")}`);
  }
  pingAck(payload: Buffer): void {
    this.notes.push(`PING ACK ${payload.toString("latin1")}`);
  }
  pushPromise(): void {
    this.notes.push("PUSH_PROMISE");
  }
  goaway(lastStreamId: number, errorCode: number, debugData: Buffer): void {
    this.notes.push(`GOAWAY ${lastStreamId} ${errorCode} ${debugData.toString("latin1")}`);
  }
  windowUpdate(streamId: number, increment: number): void {
    this.notes.push(`WINDOW_UPDATE ${streamId} ${increment}`);
  }
  ignored(): void {
    this.notes.push("ignored");
  }
}

const settings = encodeFrame(FrameType.settings, 0, 0, none);

function notesOf(
  frames: readonly Buffer[],
  pieces: (whole: Buffer) => readonly Buffer[] = (whole) => [whole],
): string[] {
  const handler = new Notes();
  const reader = new FrameReader(limits, handler);
  reader.read(settings);
  // memory of a socket is used again: what was read before may not change by that
  for (const piece of pieces(Buffer.concat(frames))) {
    const memory = Buffer.from(piece);
    reader.read(memory);
    memory.fill(0xff);
  }
  return handler.notes.slice(1);
}

function faultOf(frames: readonly Buffer[]): ProtocolError {
  const faults = [1, 2, 9, 10, Number.POSITIVE_INFINITY].map((pieceBytes) => {
    try {
      notesOf(frames, (whole) => cut(whole, pieceBytes));
    } catch (error) {
      return error;
    }
    return undefined;
  });
  const [fault] = faults;
  if (!(fault instanceof ProtocolError)) throw new Error(`expected a ProtocolError, got ${String(fault)}`);
  for (const other of faults) expect(other).toEqual(fault);
  return fault;
}

function cut(whole: Buffer, pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0; start < whole.length; start += pieceBytes) pieces.push(whole.subarray(start, start + pieceBytes));
  return pieces;
}

const frame = (type: number, flags: number, streamId: number, payload: string | Buffer = none): Buffer =>
  encodeFrame(type, flags, streamId, Buffer.from(payload as string, "latin1"));

const { endStream, endHeaders, padded, priority, ack } = Flag;
const reserved = 2 ** 31;

/** Every type, with every flag that has a meaning, and what is to be told of it. */
const valid: readonly (readonly [frame: Buffer, notes: readonly string[]])[] = [
  [frame(FrameType.data, 0, 1, "some"), ["DATA 1 of 4", "data some"]],
  [frame(FrameType.data, endStream, 3, "last"), ["DATA 3 of 4", "data last", "end 3"]],
  [frame(FrameType.data, 0, 1), ["DATA 1 of 0", "data "]],
  [frame(FrameType.data, endStream, 1), ["DATA 1 of 0", "data ", "end 1"]],
  [frame(FrameType.data, padded, 1, "\x03some..."), ["DATA 1 of 8", "data some"]],
  [frame(FrameType.data, padded | endStream, 1, "\x00some"), ["DATA 1 of 5", "data some", "end 1"]],
  [frame(FrameType.data, padded, 1, "\x02.."), ["DATA 1 of 3", "data "]],
  [frame(FrameType.headers, endHeaders, 1, "block"), ["HEADERS 1 block"]],
  [frame(FrameType.headers, endHeaders | endStream, 2 ** 31 - 1, "block"), ["HEADERS 2147483647 block end"]],
  [frame(FrameType.headers, endHeaders | padded, 1, "\x02block.."), ["HEADERS 1 block"]],
  [frame(FrameType.headers, endHeaders | padded, 1, "\x02.."), ["HEADERS 1 "]],
  [frame(FrameType.headers, endHeaders | priority, 1, "12345block"), ["HEADERS 1 block"]],
  [frame(FrameType.headers, endHeaders | priority | padded, 1, "\x0112345block."), ["HEADERS 1 block"]],
  [
    Buffer.concat([
      frame(FrameType.headers, endStream | padded, 1, "\x01he."),
      frame(FrameType.continuation, 0, 1, "ad"),
      frame(FrameType.continuation, 0, 1),
      frame(FrameType.continuation, endHeaders, 1, "ers"),
    ]),
    ["HEADERS 1 headers end"],
  ],
  [frame(FrameType.priority, 0, 1, "12345"), ["ignored"]],
  [frame(FrameType.rstStream, 0, 1, uint32(2 ** 32 - 1)), ["RST_STREAM 1 4294967295"]],
  [frame(FrameType.settings, 0, 0, encodeSettings({ maxConcurrentStreams: 7 })), ["SETTINGS 000300000007"]],
  [frame(FrameType.settings, 0, 0), ["SETTINGS "]],
  [frame(FrameType.settings, ack, 0), ["SETTINGS ACK"]],
  [frame(FrameType.pushPromise, endHeaders, 1, uint32(2)), ["PUSH_PROMISE"]],
  [frame(FrameType.ping, 0, 0, "12345678"), ["PING 12345678"]],
  [frame(FrameType.ping, ack, 0, "12345678"), ["PING ACK 12345678"]],
  [
    frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(reserved + 5), uint32(11), Buffer.from("calm")])),
    ["GOAWAY 5 11 calm"],
  ],
  [frame(FrameType.goaway, 0, 0, Buffer.alloc(8)), ["GOAWAY 0 0 "]],
  [frame(FrameType.windowUpdate, 0, 0, uint32(reserved + 10)), ["WINDOW_UPDATE 0 10"]],
  [frame(FrameType.windowUpdate, 0, 1, uint32(0)), ["WINDOW_UPDATE 1 0"]],
  [frame(99, 0xff, 0, "anything"), ["ignored"]],
  [frame(10, 0, 1), ["ignored"]],
  // the reserved bit before a stream id, and flags without a meaning, are ignored
  [frame(FrameType.ping, 0xfe, reserved, "12345678"), ["PING 12345678"]],
  [frame(FrameType.data, 0xf6, reserved + 1, "some"), ["DATA 1 of 4", "data some"]],
];

describe("FrameReader", () => {
  it.each(valid.map(([bytes, notes]) => [notes.join(", "), bytes, notes] as const))(
    "reads a frame that is cut anywhere: %s",
    (_name, bytes, notes) => {
      expect(notesOf([bytes])).toEqual(notes);
      for (let at = 1; at < bytes.length; at++) {
        expect(notesOf([bytes], (whole) => [whole.subarray(0, at), whole.subarray(at)])).toEqual(notes);
      }
    },
  );

  it("reads frames one after another, however they are cut", () => {
    const frames = valid.map(([bytes]) => bytes);
    const notes = valid.flatMap(([, expected]) => expected);
    for (const pieceBytes of [1, 2, 3, 5, 8, 9, 10, 17, 64, 1_000]) {
      expect(notesOf(frames, (whole) => cut(whole, pieceBytes))).toEqual(notes);
    }
    const { length } = Buffer.concat(frames);
    for (let at = 1; at < length; at++) {
      expect(notesOf(frames, (whole) => [whole.subarray(0, at), none, whole.subarray(at)])).toEqual(notes);
    }
  });

  it("hands DATA on as it comes, without copies", () => {
    const chunks: Uint8Array[] = [];
    const handler = new Notes();
    handler.data = (_streamId, chunk, end) => {
      expect(Buffer.isBuffer(chunk)).toBe(false); // whose slice would not copy
      expect(end).toBe(Buffer.from(chunk).toString() === "fgh");
      chunks.push(chunk);
    };
    const reader = new FrameReader(limits, handler);
    reader.read(settings);
    const bytes = frame(FrameType.data, endStream, 1, "abcdefgh");
    for (const [start, end] of [
      [0, 11],
      [11, 14],
      [14, 17],
    ] as const)
      reader.read(bytes.subarray(start, end));
    expect(chunks.map((chunk) => Buffer.from(chunk).toString())).toEqual(["ab", "cde", "fgh"]);
    for (const chunk of chunks) expect(chunk.buffer).toBe(bytes.buffer);
  });

  it("takes frames as large as it was told to, and no larger", () => {
    const large = Buffer.alloc(16_384, "x");
    expect(notesOf([frame(FrameType.headers, endHeaders, 1, large)])).toEqual([`HEADERS 1 ${large}`]);
    for (const type of [FrameType.headers, FrameType.data, FrameType.ping, 99]) {
      const fault = faultOf([frame(type, 0, 1, Buffer.alloc(16_385))]);
      expect(fault).toMatchObject({ errorCode: ErrorCode.frameSizeError });
    }
  });

  it.each([
    ["DATA on stream 0", [frame(FrameType.data, 0, 0, "x")], "protocolError"],
    ["DATA with more padding than payload", [frame(FrameType.data, padded, 1, "\x04...")], "protocolError"],
    ["padded DATA of 0 bytes", [frame(FrameType.data, padded, 1)], "frameSizeError"],
    ["HEADERS on stream 0", [frame(FrameType.headers, endHeaders, 0)], "protocolError"],
    [
      "HEADERS with more padding than payload",
      [frame(FrameType.headers, padded | endHeaders, 1, "\x02.")],
      "protocolError",
    ],
    [
      "HEADERS with padding where the priority is",
      [frame(FrameType.headers, padded | priority | endHeaders, 1, "\x0112345")],
      "protocolError",
    ],
    ["padded HEADERS of 0 bytes", [frame(FrameType.headers, padded | endHeaders, 1)], "frameSizeError"],
    [
      "HEADERS too short for a priority",
      [frame(FrameType.headers, priority | endHeaders, 1, "1234")],
      "frameSizeError",
    ],
    ["PRIORITY on stream 0", [frame(FrameType.priority, 0, 0, "12345")], "protocolError"],
    ["PRIORITY of 6 bytes", [frame(FrameType.priority, 0, 1, "123456")], "frameSizeError"],
    ["RST_STREAM on stream 0", [frame(FrameType.rstStream, 0, 0, "1234")], "protocolError"],
    ["RST_STREAM of 5 bytes", [frame(FrameType.rstStream, 0, 1, "12345")], "frameSizeError"],
    ["SETTINGS on a stream", [frame(FrameType.settings, 0, 1)], "protocolError"],
    ["SETTINGS of 7 bytes", [frame(FrameType.settings, 0, 0, "1234567")], "frameSizeError"],
    ["SETTINGS with ACK on a stream", [frame(FrameType.settings, ack, 1)], "protocolError"],
    ["SETTINGS with ACK and a payload", [frame(FrameType.settings, ack, 0, "123456")], "frameSizeError"],
    ["PING on a stream", [frame(FrameType.ping, 0, 1, "12345678")], "protocolError"],
    ["PING of 9 bytes", [frame(FrameType.ping, 0, 0, "123456789")], "frameSizeError"],
    ["GOAWAY on a stream", [frame(FrameType.goaway, 0, 1, "12345678")], "protocolError"],
    ["GOAWAY of 7 bytes", [frame(FrameType.goaway, 0, 0, "1234567")], "frameSizeError"],
    ["WINDOW_UPDATE of 3 bytes", [frame(FrameType.windowUpdate, 0, 0, "123")], "frameSizeError"],
    ["CONTINUATION without HEADERS", [frame(FrameType.continuation, endHeaders, 1, "x")], "protocolError"],
    [
      "CONTINUATION after the end of a block",
      [frame(FrameType.headers, endHeaders, 1), frame(FrameType.continuation, endHeaders, 1)],
      "protocolError",
    ],
    [
      "CONTINUATION of another stream",
      [frame(FrameType.headers, 0, 1), frame(FrameType.continuation, endHeaders, 3)],
      "protocolError",
    ],
    ...[FrameType.data, FrameType.headers, FrameType.settings, FrameType.windowUpdate, FrameType.pushPromise, 99].map(
      (type) =>
        [
          `a frame of type ${type} in the middle of a block`,
          [frame(FrameType.headers, 0, 1, "x"), frame(type, 0, 1, "1234")],
          "protocolError",
        ] as const,
    ),
  ] satisfies (readonly [string, readonly Buffer[], keyof typeof ErrorCode])[])(
    "takes %s for an error",
    (_name, frames, code) => {
      expect(faultOf(frames)).toMatchObject({ errorCode: ErrorCode[code] });
    },
  );

  it("limits a block in bytes, over all its frames", () => {
    const fragment = Buffer.alloc(16_384, "x");
    const begin = frame(FrameType.headers, 0, 1, fragment);
    const more = frame(FrameType.continuation, 0, 1, fragment);
    const end = frame(FrameType.continuation, endHeaders, 1, fragment);
    expect(notesOf([begin, more, more, end])[0]).toHaveLength("HEADERS 1 ".length + 65_536);
    const fault = faultOf([begin, more, more, more, frame(FrameType.continuation, 0, 1, "x")]);
    expect(fault).toMatchObject({ errorCode: ErrorCode.enhanceYourCalm });
  });

  it("limits a block in frames", () => {
    const begin = frame(FrameType.headers, 0, 1);
    const more = frame(FrameType.continuation, 0, 1);
    const end = frame(FrameType.continuation, endHeaders, 1);
    expect(notesOf([begin, ...Array<Buffer>(62).fill(more), end])).toEqual(["HEADERS 1 "]);
    const fault = faultOf([begin, ...Array<Buffer>(64).fill(more)]);
    expect(fault).toMatchObject({ errorCode: ErrorCode.enhanceYourCalm });
  });

  it("forgets a block that has ended", () => {
    const fragments = [
      frame(FrameType.headers, 0, 1, Buffer.alloc(16_384)),
      frame(FrameType.continuation, endHeaders, 1, Buffer.alloc(16_384)),
    ];
    const many = Array.from({ length: 10 }, () => fragments).flat();
    expect(notesOf(many)).toHaveLength(10);
  });

  it.each([
    ["another frame", frame(FrameType.ping, 0, 0, "12345678")],
    ["an acknowledgement", frame(FrameType.settings, ack, 0)],
    ["DATA", frame(FrameType.data, 0, 1, "x")],
    ["an unknown frame", frame(99, 0, 0)],
  ])("wants SETTINGS first, and not %s", (_name, first) => {
    const reader = new FrameReader(limits, new Notes());
    expect(() => reader.read(first)).toThrow("the first frame is not SETTINGS");
  });

  it("takes text for an error", () => {
    const reader = new FrameReader(limits, new Notes());
    expect(() => reader.read(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"))).toThrow(ProtocolError);
  });
});
