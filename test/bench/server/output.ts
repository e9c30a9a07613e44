import type { Socket } from "node:net";
import { frameHeaderLength, writeFrameHeader, writeStreamId } from "./frames.ts";

const slabLength = 65_536;

/** Collects frames, to write them to a socket in as few calls as possible. */
export class Output {
  readonly #socket: Socket;
  #slab: Buffer = Buffer.allocUnsafeSlow(slabLength);
  /** What lies before is with the socket, which may still read it. */
  #start = 0;
  #end = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A whole frame, whose stream id is filled in. */
  canned(frame: Buffer, stream: number): void {
    const at = this.#reserve(frame.length);
    frame.copy(this.#slab, at);
    writeStreamId(this.#slab, at, stream);
  }

  /** A frame whose payload is a part of `bytes`. */
  frame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    const at = this.#reserve(frameHeaderLength + to - from);
    writeFrameHeader(this.#slab, at, to - from, type, flags, stream);
    bytes.copy(this.#slab, at + frameHeaderLength, from, to);
  }

  flush(): void {
    if (this.#end === this.#start) return;
    this.#socket.write(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #reserve(length: number): number {
    if (this.#end + length > slabLength) {
      this.flush();
      this.#slab = Buffer.allocUnsafeSlow(slabLength);
      this.#start = 0;
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += length;
    return at;
  }
}
