import { Code, ConnectError } from "@connectrpc/connect";
import { BodyBuffer, copyOf } from "./body-buffer.ts";
import { checkReadLimit } from "./limits.ts";

/** A message with its flags, as gRPC, gRPC-Web and streams of Connect frame it: flags, 4 bytes of length, data. */
export interface Envelope {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** The bit of an envelope's flags that says that its data is compressed. */
export const compressedFlag = 0b1;

const headBytes = 5;

export function encodeEnvelope(flags: number, data: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headBytes + data.byteLength);
  bytes[0] = flags;
  bytes.writeUInt32BE(data.byteLength, 1);
  bytes.set(data, headBytes);
  return bytes;
}

/** Takes a body apart, in chunks as they come. What it hands on is a copy. */
export class EnvelopeReader {
  readonly #readMaxBytes: number;
  /** Of an envelope that comes in pieces: what there is of its head, and then of its data. */
  readonly #head = new Uint8Array(headBytes);
  #headRead = 0;
  #length = 0;
  readonly #data = new BodyBuffer();

  constructor(readMaxBytes: number) {
    this.#readMaxBytes = readMaxBytes;
  }

  /**
   * Hands every envelope that `chunk` makes whole to `taker`, until that says that it wants no more. Throws
   * ResourceExhausted as soon as a length is above the limit.
   */
  push(chunk: Uint8Array, taker: EnvelopeTaker): void {
    const end = chunk.byteLength;
    let at = 0;
    while (at < end) {
      const start = at + headBytes;
      const next = this.#headRead === 0 && start <= end ? start + this.#lengthAt(chunk, at) : Number.POSITIVE_INFINITY;
      if (next <= end) {
        const flags = chunk[at] as number;
        at = next;
        if (!taker.takeEnvelope(flags, copyOf(chunk, start, next))) return;
      } else {
        at = this.#readPiece(chunk, at);
        if (this.#headRead < headBytes || this.#data.byteLength < this.#length) return;
        this.#headRead = 0;
        if (!taker.takeEnvelope(this.#head[0] as number, this.#data.take())) return;
      }
    }
  }

  /** Throws where the body stops in the middle of an envelope. */
  end(): void {
    if (this.#headRead > 0) throw new ConnectError("protocol error: incomplete envelope", Code.Internal);
  }

  /** Returns where the next envelope begins, or the end of the chunk. */
  #readPiece(chunk: Uint8Array, start: number): number {
    let at = start;
    while (this.#headRead < headBytes && at < chunk.byteLength) {
      this.#head[this.#headRead++] = chunk[at++] as number;
      if (this.#headRead < headBytes) continue;
      this.#length = this.#lengthAt(this.#head, 0);
      this.#data.expect(this.#length);
    }
    if (this.#headRead < headBytes) return at;
    const end = Math.min(at + this.#length - this.#data.byteLength, chunk.byteLength);
    if (end > at) this.#data.push(chunk, at, end);
    return end;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length = readUint32(bytes, at + 1);
    checkReadLimit(this.#readMaxBytes, length, true);
    return length;
  }
}

export interface EnvelopeTaker {
  /** Returns whether it takes more. */
  takeEnvelope(flags: number, data: Uint8Array): boolean;
}

function readUint32(bytes: Uint8Array, at: number): number {
  const high = bytes[at] as number;
  const low = ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return high * 0x1000000 + low;
}
