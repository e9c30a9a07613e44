import { ErrorCode } from "../error-code.ts";
import { Flag, FrameType, frameHeaderBytes, readUint31, readUint32 } from "./frame.ts";
import { HeaderBlock } from "./header-block.ts";
import { ProtocolError } from "./protocol-error.ts";

/** What a connection hears of its peer's frames, in their order. Buffers are views of what was read: copy what you keep. */
export interface FrameHandler {
  /** A DATA frame begins. `flowLength` is what it takes of the windows: its bytes and its padding. */
  dataFrame(streamId: number, flowLength: number): void;
  /** The bytes of that frame, in one or more pieces; `endStream` with the last one. */
  data(streamId: number, chunk: Uint8Array, endStream: boolean): void;
  /** A header block that is whole. */
  headers(streamId: number, block: Buffer, endStream: boolean): void;
  rstStream(streamId: number, errorCode: number): void;
  /** Settings of 6 bytes each. */
  settings(payload: Buffer): void;
  settingsAck(): void;
  ping(payload: Buffer): void;
  pingAck(payload: Buffer): void;
  pushPromise(): void;
  goaway(lastStreamId: number, errorCode: number, debugData: Buffer): void;
  windowUpdate(streamId: number, increment: number): void;
  /** PRIORITY, or a frame of an unknown type: it means nothing. */
  ignored(): void;
}

export interface FrameReaderOptions {
  /** Our SETTINGS_MAX_FRAME_SIZE. */
  readonly maxFrameSize: number;
  /** Bytes of a header block, over all its frames. */
  readonly maxHeaderBlockBytes: number;
}

/**
 * Cuts what was read into frames (RFC 9113, sections 4 and 6). It knows neither streams nor roles, and holds back one
 * frame at most.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #maxFrameSize: number;
  readonly #block: HeaderBlock;
  /** The beginning of a frame of which not enough has been read. */
  readonly #partial: Buffer;
  #partialBytes = 0;
  /** The DATA frame under way: what of it has not been read yet. */
  #dataLeft = 0;
  #dataStreamId = 0;
  #dataEndStream = false;
  #isFirst = true;

  constructor(options: FrameReaderOptions, handler: FrameHandler) {
    this.#handler = handler;
    this.#maxFrameSize = options.maxFrameSize;
    this.#block = new HeaderBlock(options.maxHeaderBlockBytes);
    this.#partial = Buffer.allocUnsafeSlow(frameHeaderBytes + options.maxFrameSize);
  }

  /** Tells the handler what `chunk` completes. Throws a `ProtocolError`, after which nothing can be read. */
  read(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#dataLeft > 0) offset = this.#readData(chunk, offset);
      else if (this.#partialBytes > 0) offset = this.#readPartial(chunk, offset);
      else offset = this.#readWhole(chunk, offset);
    }
  }

  #readData(chunk: Buffer, start: number): number {
    const end = Math.min(start + this.#dataLeft, chunk.length);
    this.#dataLeft -= end - start;
    const endStream = this.#dataEndStream && this.#dataLeft === 0;
    this.#handler.data(this.#dataStreamId, bytesOf(chunk, start, end), endStream);
    return end;
  }

  #readWhole(chunk: Buffer, start: number): number {
    const available = chunk.length - start;
    const needed = this.#neededBytes(chunk, start, available);
    if (available < needed) {
      this.#partialBytes = chunk.copy(this.#partial, 0, start);
      return chunk.length;
    }
    this.#readFrame(chunk, start);
    return start + needed;
  }

  #readPartial(chunk: Buffer, start: number): number {
    const needed = this.#neededBytes(this.#partial, 0, this.#partialBytes);
    const copied = chunk.copy(this.#partial, this.#partialBytes, start, start + needed - this.#partialBytes);
    this.#partialBytes += copied;
    if (this.#partialBytes === this.#neededBytes(this.#partial, 0, this.#partialBytes)) {
      this.#partialBytes = 0;
      this.#readFrame(this.#partial, 0);
    }
    return start + copied;
  }

  /** How many bytes there have to be to read the frame: all of it, but of DATA only its header. */
  #neededBytes(buffer: Buffer, start: number, available: number): number {
    if (available < frameHeaderBytes) return frameHeaderBytes;
    const length = frameLength(buffer, start);
    if (length > this.#maxFrameSize) {
      const text = `a frame of ${length} bytes, where ${this.#maxFrameSize} are the limit`;
      throw new ProtocolError(ErrorCode.frameSizeError, text);
    }
    const isPlainData = buffer[start + 3] === FrameType.data && ((buffer[start + 4] as number) & Flag.padded) === 0;
    return isPlainData ? frameHeaderBytes : frameHeaderBytes + length;
  }

  #readFrame(buffer: Buffer, frame: number): void {
    const length = frameLength(buffer, frame);
    const type = buffer[frame + 3] as number;
    const flags = buffer[frame + 4] as number;
    const streamId = readUint31(buffer, frame + 5);
    const start = frame + frameHeaderBytes;
    const end = start + length;
    if (this.#isFirst && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      throw new ProtocolError(ErrorCode.protocolError, "the first frame is not SETTINGS");
    }
    this.#isFirst = false;
    if (this.#block.isOpen && (type !== FrameType.continuation || streamId !== this.#block.streamId)) {
      throw new ProtocolError(ErrorCode.protocolError, "another frame came in the middle of a header block");
    }
    switch (type) {
      case FrameType.data:
        this.#onData(streamId, flags, length, buffer, start);
        break;
      case FrameType.headers:
        this.#onHeaders(streamId, flags, buffer, start, end);
        break;
      case FrameType.continuation:
        if (!this.#block.isOpen) throw new ProtocolError(ErrorCode.protocolError, "CONTINUATION without HEADERS");
        this.#onBlock((flags & Flag.endHeaders) !== 0, buffer.subarray(start, end));
        break;
      case FrameType.rstStream:
        expectStream(streamId, "RST_STREAM");
        expectLength(length, 4, "RST_STREAM");
        this.#handler.rstStream(streamId, readUint32(buffer, start));
        break;
      case FrameType.settings:
        expectConnection(streamId, "SETTINGS");
        if ((flags & Flag.ack) !== 0) {
          expectLength(length, 0, "SETTINGS with ACK");
          this.#handler.settingsAck();
        } else {
          if (length % 6 !== 0) throw new ProtocolError(ErrorCode.frameSizeError, `SETTINGS of ${length} bytes`);
          this.#handler.settings(buffer.subarray(start, end));
        }
        break;
      case FrameType.pushPromise:
        this.#handler.pushPromise();
        break;
      case FrameType.ping:
        expectConnection(streamId, "PING");
        expectLength(length, 8, "PING");
        if ((flags & Flag.ack) !== 0) this.#handler.pingAck(buffer.subarray(start, end));
        else this.#handler.ping(buffer.subarray(start, end));
        break;
      case FrameType.goaway:
        expectConnection(streamId, "GOAWAY");
        if (length < 8) throw new ProtocolError(ErrorCode.frameSizeError, `GOAWAY of ${length} bytes`);
        this.#handler.goaway(readUint31(buffer, start), readUint32(buffer, start + 4), buffer.subarray(start + 8, end));
        break;
      case FrameType.windowUpdate:
        expectLength(length, 4, "WINDOW_UPDATE");
        this.#handler.windowUpdate(streamId, readUint31(buffer, start));
        break;
      case FrameType.priority:
        expectStream(streamId, "PRIORITY");
        expectLength(length, 5, "PRIORITY");
        this.#handler.ignored();
        break;
      default:
        this.#handler.ignored();
    }
  }

  #onData(streamId: number, flags: number, length: number, buffer: Buffer, start: number): void {
    expectStream(streamId, "DATA");
    const endStream = (flags & Flag.endStream) !== 0;
    this.#handler.dataFrame(streamId, length);
    if ((flags & Flag.padded) !== 0) {
      const end = start + length - padding(buffer, start, length, 1, "DATA");
      this.#handler.data(streamId, bytesOf(buffer, start + 1, end), endStream);
    } else if (length === 0) {
      this.#handler.data(streamId, bytesOf(buffer, start, start), endStream);
    } else {
      this.#dataLeft = length;
      this.#dataStreamId = streamId;
      this.#dataEndStream = endStream;
    }
  }

  #onHeaders(streamId: number, flags: number, buffer: Buffer, start: number, end: number): void {
    expectStream(streamId, "HEADERS");
    const isPadded = (flags & Flag.padded) !== 0;
    const before = (isPadded ? 1 : 0) + ((flags & Flag.priority) !== 0 ? 5 : 0);
    const length = end - start;
    if (length < before) throw new ProtocolError(ErrorCode.frameSizeError, `HEADERS of ${length} bytes`);
    const after = isPadded ? padding(buffer, start, length, before, "HEADERS") : 0;
    const endStream = (flags & Flag.endStream) !== 0;
    const fragment = buffer.subarray(start + before, end - after);
    if ((flags & Flag.endHeaders) !== 0) {
      this.#handler.headers(streamId, fragment, endStream);
      return;
    }
    this.#block.begin(streamId, endStream);
    this.#onBlock(false, fragment);
  }

  #onBlock(isLast: boolean, fragment: Buffer): void {
    this.#block.add(fragment);
    if (!isLast) return;
    const { streamId, endStream } = this.#block;
    this.#handler.headers(streamId, this.#block.end(), endStream);
  }
}

/** No `Buffer`, whose `slice` does not copy: users copy what they keep. */
function bytesOf(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}

function frameLength(buffer: Buffer, offset: number): number {
  return ((buffer[offset] as number) << 16) | ((buffer[offset + 1] as number) << 8) | (buffer[offset + 2] as number);
}

/** How many bytes of padding there are at the end. `before`: what stands before the content, the pad length included. */
function padding(buffer: Buffer, start: number, length: number, before: number, name: string): number {
  if (length === 0) throw new ProtocolError(ErrorCode.frameSizeError, `padded ${name} of 0 bytes`);
  const padLength = buffer[start] as number;
  if (padLength > length - before) {
    throw new ProtocolError(ErrorCode.protocolError, `the padding of ${name} is longer than the frame`);
  }
  return padLength;
}

function expectStream(streamId: number, name: string): void {
  if (streamId === 0) throw new ProtocolError(ErrorCode.protocolError, `${name} on stream 0`);
}

function expectConnection(streamId: number, name: string): void {
  if (streamId !== 0) throw new ProtocolError(ErrorCode.protocolError, `${name} on stream ${streamId}`);
}

function expectLength(length: number, expected: number, name: string): void {
  if (length !== expected) throw new ProtocolError(ErrorCode.frameSizeError, `${name} of ${length} bytes`);
}
