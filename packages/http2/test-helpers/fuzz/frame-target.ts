import { type FrameHandler, FrameReader } from "../../src/frames/frame-reader.ts";
import { connections } from "./corpus.ts";
import { mutate, split } from "./mutate.ts";
import type { Random } from "./random.ts";
import { classOf, expectThat, type FuzzTarget } from "./target.ts";

const limits = { maxFrameSize: 16_384, maxHeaderBlockBytes: 65_536 };

/** Whatever pieces the bytes come in, the reader tells the same, and throws nothing but `ProtocolError`. */
export const frameTarget: FuzzTarget = {
  name: "frames",
  share: 35,
  run(random: Random): string {
    const bytes = Buffer.concat(mutate(connections, random));
    const whole = read([bytes]);
    const inPieces = read(split(bytes, random));
    expectThat(whole.outcome === inPieces.outcome, `${whole.outcome}, but in pieces: ${inPieces.outcome}`);
    expectThat(whole.digest.value === inPieces.digest.value, "what is told depends on how the bytes are cut");
    return whole.outcome;
  },
};

function read(pieces: readonly Buffer[]): { readonly outcome: string; readonly digest: Digest } {
  const digest = new Digest();
  const reader = new FrameReader(limits, digest);
  try {
    for (const piece of pieces) reader.read(piece);
    return { outcome: "ok", digest };
  } catch (error) {
    return { outcome: classOf(error), digest };
  }
}

/** A checksum of all that is told; DATA counts byte by byte. */
class Digest implements FrameHandler {
  value = 0;
  #dataLeft = 0;

  dataFrame(streamId: number, flowLength: number): void {
    expectThat(flowLength <= limits.maxFrameSize, "DATA above the limit");
    this.#dataLeft = flowLength + 1;
    this.#add(1, streamId, flowLength);
  }
  data(streamId: number, chunk: Buffer, endStream: boolean): void {
    expectThat(chunk.length < this.#dataLeft, "more DATA than there is in its frame");
    this.#dataLeft -= chunk.length;
    for (const byte of chunk) this.#add(2, streamId, byte);
    if (endStream) this.#add(3, streamId);
  }
  headers(streamId: number, block: Buffer, endStream: boolean): void {
    expectThat(block.length <= limits.maxHeaderBlockBytes, "a block above the limit");
    this.#addBytes(block);
    this.#add(4, streamId, Number(endStream));
  }
  rstStream(streamId: number, errorCode: number): void {
    this.#add(5, streamId, errorCode);
  }
  settings(payload: Buffer): void {
    expectThat(payload.length % 6 === 0, "SETTINGS that are cut");
    this.#addBytes(payload);
  }
  settingsAck(): void {
    this.#add(6);
  }
  ping(payload: Buffer): void {
    this.#addBytes(payload);
  }
  pingAck(payload: Buffer): void {
    expectThat(payload.length === 8, "PING that is cut");
    this.#add(7);
  }
  pushPromise(): void {
    this.#add(8);
  }
  goaway(lastStreamId: number, errorCode: number, debugData: Buffer): void {
    this.#addBytes(debugData);
    this.#add(9, lastStreamId, errorCode);
  }
  windowUpdate(streamId: number, increment: number): void {
    this.#add(10, streamId, increment);
  }
  ignored(): void {
    this.#add(11);
  }

  #addBytes(bytes: Buffer): void {
    this.#dataLeft = 0;
    for (const byte of bytes) this.#add(12, byte);
  }

  #add(kind: number, first = 0, second = 0): void {
    if (kind !== 1 && kind !== 2 && kind !== 3) this.#dataLeft = 0;
    this.value =
      Math.imul(Math.imul(Math.imul(this.value ^ kind, 16_777_619) ^ first, 16_777_619) ^ second, 16_777_619) | 0;
  }
}
