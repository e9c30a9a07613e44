import { encodeFrame, Flag, FrameType } from "../../src/frames/frame.ts";
import { encodeSettings } from "../../src/frames/settings.ts";
import { encodeHeaderBlock, tableSizeUpdate } from "../../src/hpack/encoder.ts";
import { encodeHuffman } from "../../src/hpack/huffman.ts";
import { uint32 } from "../raw-peer.ts";

const { endStream, endHeaders, padded, priority, ack } = Flag;
const text = (latin1: string): Buffer => Buffer.from(latin1, "latin1");

/** A string of less than 127 bytes. */
const plain = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), text(value)]);
const huffman = (value: string): Buffer => {
  const encoded = encodeHuffman(value);
  return Buffer.concat([Buffer.from([0x80 | encoded.length]), encoded]);
};
/** Literals that go into the dynamic table. */
const kept = (name: string, value: string, string = huffman): Buffer =>
  Buffer.concat([Buffer.from([0x40]), string(name), string(value)]);
const keptWithIndex = (index: number, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40 | index]), huffman(value)]);
/** Indexed fields; 62 is the newest entry of the dynamic table. */
const indexed = (...indexes: readonly number[]): Buffer => Buffer.from(indexes.map((index) => 0x80 | index));

const status200 = 8;
const contentType = 31;

/** Header blocks of one connection each, in their order. */
export const blocks: readonly (readonly Buffer[])[] = [
  // as gRPC servers write them: the second response refers to the first one
  [
    Buffer.concat([
      indexed(status200),
      keptWithIndex(contentType, "application/grpc"),
      kept("grpc-encoding", "identity"),
    ]),
    Buffer.concat([kept("grpc-status", "0"), kept("grpc-message", "")]),
    indexed(status200, 65, 64),
    indexed(63, 62),
  ],
  [
    encodeHeaderBlock([
      [":status", "404"],
      ["content-type", "application/json"],
      ["set-cookie", "a=b; path=/"],
      ["x-trace", "z".repeat(300)],
    ]),
    encodeHeaderBlock([["grpc-status", "5"]]),
  ],
  // the table is made smaller, emptied and filled over its size
  [
    Buffer.concat([indexed(status200), kept("x-one", "1"), kept("x-two", "2", plain)]),
    Buffer.concat([tableSizeUpdate(0), tableSizeUpdate(100), indexed(status200), kept("x-three", "v".repeat(40))]),
    Buffer.concat([indexed(62), kept("x-four", "w".repeat(60)), indexed(62)]),
    Buffer.concat([
      tableSizeUpdate(4_096),
      ...Array.from({ length: 60 }, (_, each) => kept(`x-${each}`, "y".repeat(80))),
    ]),
    indexed(62, 63, 80, 90),
  ],
  // a small block of a large list
  [Buffer.concat([kept("x-large", "v".repeat(110)), Buffer.alloc(120, 0x80 | 62)]), indexed(62)],
  [Buffer.from([0x88, 0x10, 1, 97, 1, 98, 0x0f, 0x10, 0, 0x1f, 0x08, 3, 97, 98, 99])],
];

const data = (streamId: number, bytes: string | Buffer, flags = 0): Buffer =>
  encodeFrame(FrameType.data, flags, streamId, typeof bytes === "string" ? text(bytes) : bytes);
const headers = (streamId: number, block: Buffer, flags: number = endHeaders): Buffer =>
  encodeFrame(FrameType.headers, flags, streamId, block);
const rstStream = (streamId: number, code: number): Buffer =>
  encodeFrame(FrameType.rstStream, 0, streamId, uint32(code));
const settings = (values: Parameters<typeof encodeSettings>[0]): Buffer =>
  encodeFrame(FrameType.settings, 0, 0, encodeSettings(values));
const windowUpdate = (streamId: number, increment: number): Buffer =>
  encodeFrame(FrameType.windowUpdate, 0, streamId, uint32(increment));
const goaway = (lastStreamId: number, code: number, debugData = ""): Buffer =>
  encodeFrame(FrameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code), text(debugData)]));
const ping = (flags = 0): Buffer => encodeFrame(FrameType.ping, flags, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]));
const block = (connection: number, index: number): Buffer => blocks[connection]?.[index] ?? Buffer.alloc(0);
const status = (code: number): Buffer => encodeHeaderBlock([[":status", String(code)]]);

/** What a node:http2 server sent: two gRPC responses with dynamic table and Huffman, and an answer to a PING. */
const recorded = Buffer.from(
  "AAAABAAAAAAAAAAABAEAAAAAAABHAQQAAAABiF+QHXXQYg0mPUxNZWT/ddh0n0CKmsrIsWoh5DVTf4Y0hakmT69AjprKyLDIQtaVi1EPIaqb" +
    "kDSFqSZPr6kLLQNJfqb2av8AABIAAAAAAAEAAAAADAoKaGVsbG8gd29ybGQAAEABBQAAAAFAiJrKyLISNNqPATBAiZrKyLUlQgcxfwJPS0CJ" +
    "8rWF7WlQlY0nmnZXyCaK8szGESzUpZVnwkZWflajcGGQA3XfAAAEAQQAAAADiMPCwQAAEgAAAAAAAwAAAAAMCgpoZWxsbyB3b3JsZAAAAwEF" +
    "AAAAA8C/vgAACAYBAAAAAAEBAQEBAQEB",
  "base64",
);

/** What servers send on one connection each, frame by frame, to streams 1, 3, 5 and 7. */
export const connections: readonly (readonly Buffer[])[] = [
  framesOf(recorded),
  [
    settings({ maxConcurrentStreams: 100, initialWindowSize: 65_535, maxFrameSize: 32_768, maxHeaderListSize: 16_384 }),
    encodeFrame(FrameType.settings, ack, 0, Buffer.alloc(0)),
    windowUpdate(0, 2 ** 20),
    headers(1, block(0, 0)),
    data(1, "\0\0\0\0\x05hello"),
    ping(),
    headers(1, block(0, 1), endHeaders | endStream),
    headers(3, block(0, 2)),
    data(3, "\0\0\0\0\x05again"),
    headers(3, block(0, 3), endHeaders | endStream),
    goaway(2 ** 31 - 1, 0),
    headers(5, block(0, 2), endHeaders | endStream),
    goaway(5, 0),
  ],
  // padding, priority, CONTINUATION, 1xx, pieces
  [
    settings({}),
    headers(1, status(103), endHeaders),
    headers(1, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 16]), status(200), Buffer.alloc(2)]), padded | priority),
    encodeFrame(FrameType.continuation, 0, 1, block(2, 0).subarray(1)),
    encodeFrame(FrameType.continuation, endHeaders, 1, Buffer.alloc(0)),
    data(1, "\x05body.....", padded),
    data(1, Buffer.alloc(5_000, "x")),
    data(1, ""),
    data(1, "", endStream),
    headers(3, Buffer.concat([status(200), block(1, 0).subarray(3)])),
    ...Array.from({ length: 8 }, () => data(3, Buffer.alloc(700, "y"))),
    data(3, "\0", endStream | padded),
  ],
  // windows, limits, resets
  [
    settings({ initialWindowSize: 10, maxConcurrentStreams: 3, headerTableSize: 0 }),
    windowUpdate(1, 5),
    settings({ initialWindowSize: 0 }),
    windowUpdate(1, 500),
    settings({ initialWindowSize: 100_000, maxConcurrentStreams: 1 }),
    windowUpdate(0, 70_000),
    windowUpdate(3, 70_000),
    rstStream(1, 7),
    rstStream(3, 8),
    headers(5, block(2, 0)),
    rstStream(5, 0),
    headers(7, block(2, 1), endHeaders | endStream),
  ],
  // what means nothing, and ends
  [
    settings({}),
    encodeFrame(FrameType.priority, 0, 9, Buffer.alloc(5)),
    encodeFrame(99, 0xff, 5, text("extension")),
    ping(ack),
    headers(1, block(3, 0)),
    encodeFrame(FrameType.pushPromise, endHeaders, 1, uint32(2)),
    goaway(1, 11, "too_many_pings"),
  ],
  [settings({}), headers(1, block(1, 0)), goaway(0, 2, "oops"), data(1, "late", endStream)],
];

/** The frames of a stream that is whole. */
function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 9 + bytes.readUIntBE(start, 3);
    frames.push(bytes.subarray(start, end));
    start = end;
  }
  return frames;
}
