import { headerFieldSize, writeHeaderField } from "../hpack/encoder.ts";
import type { HeaderField } from "../hpack/header-field.ts";
import { defaultMaxFrameSize, Flag, FrameType, frameHeaderBytes, writeFrameHeader, writeUint32 } from "./frame.ts";

const slabBytes = 64 * 1024;
/** Longer payloads are written from where they are; shorter ones are cheaper to copy. */
const copyLimit = 4 * 1024;
/** Frames that wait to be written take so many bytes before the next DATA has to wait. */
const fullBytes = 256 * 1024;

const noBytes = Buffer.alloc(0);

/** Where frames go. */
export interface FrameSink {
  /** Returns whether more can be written now; if not, `FrameWriter.drained` says when. */
  write(chunks: readonly Uint8Array[]): boolean;
  /** DATA can be written again, after `isFull`. */
  hasRoom(): void;
}

/**
 * Encodes frames, and writes those of one turn of the event loop at once. What the sink has no room for stays here, as
 * not sent.
 */
export class FrameWriter {
  readonly #sink: FrameSink;
  readonly #onTurn = (): void => this.flush();
  #slab: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  /** Of the slab: what is encoded and waits to be written. */
  #start = 0;
  #end = 0;
  /** What waits to be written before that. */
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #blocked = false;
  #flushes = 0;
  #closed = false;
  maxFrameSize: number = defaultMaxFrameSize;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether DATA has to wait for `hasRoom`. */
  get isFull(): boolean {
    return this.#blocked || this.#waitingBytes >= fullBytes;
  }

  /** Bytes that the sink has not taken. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** How often the sink has taken all there was: what was encoded since then has not left. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Bytes of one's own, such as the preface. */
  raw(bytes: Uint8Array): void {
    const offset = this.#reserve(bytes.length);
    this.#slab.set(bytes, offset);
  }

  /** A request or a response: `block` is encoded, `fields` are to be. */
  headers(streamId: number, block: Buffer, fields: readonly HeaderField[], endStream: boolean): void {
    let length = block.length;
    for (const [name, value] of fields) length += headerFieldSize(name, value);
    if (length > this.maxFrameSize) {
      this.#longHeaders(streamId, block, fields, length, endStream);
      return;
    }
    const flags = endStream ? Flag.endHeaders | Flag.endStream : Flag.endHeaders;
    let offset = this.#frame(length, FrameType.headers, flags, streamId);
    this.#slab.set(block, offset);
    offset += block.length;
    for (const [name, value] of fields) offset = writeHeaderField(this.#slab, offset, name, value);
  }

  /** At most `maxFrameSize` bytes. */
  data(streamId: number, chunk: Uint8Array, endStream: boolean): void {
    const flags = endStream ? Flag.endStream : 0;
    if (chunk.length <= copyLimit) {
      const offset = this.#frame(chunk.length, FrameType.data, flags, streamId);
      this.#slab.set(chunk, offset);
      return;
    }
    const offset = this.#reserve(frameHeaderBytes);
    writeFrameHeader(this.#slab, offset, chunk.length, FrameType.data, flags, streamId);
    this.#append(chunk);
  }

  rstStream(streamId: number, errorCode: number): void {
    const offset = this.#frame(4, FrameType.rstStream, 0, streamId);
    writeUint32(this.#slab, offset, errorCode);
  }

  settings(payload: Uint8Array): void {
    const offset = this.#frame(payload.length, FrameType.settings, 0, 0);
    this.#slab.set(payload, offset);
  }

  settingsAck(): void {
    this.#frame(0, FrameType.settings, Flag.ack, 0);
  }

  ping(payload: Uint8Array): void {
    const offset = this.#frame(8, FrameType.ping, 0, 0);
    this.#slab.set(payload, offset);
  }

  pingAck(payload: Uint8Array): void {
    const offset = this.#frame(8, FrameType.ping, Flag.ack, 0);
    this.#slab.set(payload, offset);
  }

  goaway(lastStreamId: number, errorCode: number, debugData: string): void {
    const data = Buffer.from(debugData);
    let offset = this.#frame(8 + data.length, FrameType.goaway, 0, 0);
    offset = writeUint32(this.#slab, offset, lastStreamId);
    this.#slab.set(data, writeUint32(this.#slab, offset, errorCode));
  }

  windowUpdate(streamId: number, increment: number): void {
    const offset = this.#frame(4, FrameType.windowUpdate, 0, streamId);
    writeUint32(this.#slab, offset, increment);
  }

  /** Writes what waits, unless the sink is full. */
  flush(): void {
    this.#scheduled = false;
    if (this.#blocked || this.#closed || this.#waitingBytes === 0) return;
    const wasFull = this.isFull;
    this.#cut();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#waitingBytes = 0;
    this.#flushes++;
    this.#blocked = !this.#sink.write(chunks);
    if (wasFull && !this.#blocked) this.#sink.hasRoom();
  }

  /** The sink takes more. */
  drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.flush();
    if (!this.#blocked) this.#sink.hasRoom();
  }

  /** What waits is not written any more. */
  close(): void {
    this.#closed = true;
    this.#chunks = [];
    this.#slab = noBytes;
    this.#start = 0;
    this.#end = 0;
  }

  /** Room for a frame, whose header it writes. Returns where its payload begins; `#slab` is another one after that. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const offset = this.#reserve(frameHeaderBytes + length);
    return writeFrameHeader(this.#slab, offset, length, type, flags, streamId);
  }

  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#slab.length) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
      this.#start = 0;
      this.#end = 0;
    }
    const offset = this.#end;
    this.#end += bytes;
    this.#waiting(bytes);
    return offset;
  }

  #append(bytes: Uint8Array): void {
    this.#cut();
    this.#chunks.push(bytes);
    this.#waiting(bytes.length);
  }

  #waiting(bytes: number): void {
    this.#waitingBytes += bytes;
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    setImmediate(this.#onTurn);
  }

  /** Makes a chunk of what is encoded in the slab. */
  #cut(): void {
    if (this.#start === this.#end) return;
    this.#chunks.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** HEADERS and as many CONTINUATION as it takes. */
  #longHeaders(
    streamId: number,
    block: Buffer,
    fields: readonly HeaderField[],
    length: number,
    endStream: boolean,
  ): void {
    const whole = Buffer.allocUnsafe(length);
    whole.set(block);
    let end = block.length;
    for (const [name, value] of fields) end = writeHeaderField(whole, end, name, value);
    for (let offset = 0; offset < length; offset += this.maxFrameSize) {
      const fragment = whole.subarray(offset, offset + this.maxFrameSize);
      const isLast = offset + fragment.length === length;
      const type = offset === 0 ? FrameType.headers : FrameType.continuation;
      const flags = (isLast ? Flag.endHeaders : 0) | (offset === 0 && endStream ? Flag.endStream : 0);
      const start = this.#frame(fragment.length, type, flags, streamId);
      this.#slab.set(fragment, start);
    }
  }
}
