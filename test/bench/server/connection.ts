import type { Socket } from "node:net";
import type { Answer } from "./answer.ts";
import {
  defaultWindow,
  flag,
  frame,
  frameHeaderLength,
  frameType,
  maxFrameLength,
  maxWindow,
  prefaceLength,
  settingInitialWindowSize,
  settingMaxConcurrentStreams,
} from "./frames.ts";
import { Output } from "./output.ts";

/** Settings of the server, and a connection window that requests do not use up soon. */
const greeting = Buffer.concat([
  frame(frameType.settings, 0, 0, Buffer.from([0, settingMaxConcurrentStreams, 0, 0, 0x10, 0])),
  frame(frameType.windowUpdate, 0, 0, uint32(maxWindow - defaultWindow)),
]);

const settingsAck = frame(frameType.settings, flag.ack, 0, Buffer.alloc(0));

/** So much of the connection window is used before it is given back. */
const refillLength = 2 ** 24;

/** A stream that has not been answered in full. */
interface Stream {
  readonly id: number;
  window: number;
  /** The request is complete: it is being answered. */
  answering: boolean;
  headed: boolean;
  at: number;
  /** Which of the answer's ends comes next. */
  next: number;
}

/** Answers every request on a connection with `answer`, whatever it asks, within the peer's flow-control windows. */
export class Connection {
  readonly #answer: Answer;
  readonly #output: Output;
  readonly #streams = new Map<number, Stream>();
  #rest: Buffer | undefined;
  #prefaceLeft = prefaceLength;
  #window = defaultWindow;
  #streamWindow = defaultWindow;
  #received = 0;
  #variant: number;

  constructor(socket: Socket, answer: Answer) {
    this.#answer = answer;
    this.#output = new Output(socket);
    this.#variant = Math.floor(Math.random() * answer.heads.length); // not that of the other endpoints
    socket.write(greeting);
    socket.on("data", (chunk) => this.#read(chunk as Buffer));
    socket.on("close", () => this.#streams.clear());
  }

  #read(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = Math.min(this.#prefaceLeft, data.length);
    this.#prefaceLeft -= at;
    while (data.length - at >= frameHeaderLength) {
      const length = ((data[at] as number) << 16) | ((data[at + 1] as number) << 8) | (data[at + 2] as number);
      const payload = at + frameHeaderLength;
      if (data.length - payload < length) break;
      const id = data.readUInt32BE(at + 5) & maxWindow;
      this.#frame(data[at + 3] as number, data[at + 4] as number, id, data, payload, length);
      at = payload + length;
    }
    this.#rest = at === data.length ? undefined : data.subarray(at);
    this.#output.flush();
  }

  #frame(type: number, flags: number, id: number, data: Buffer, at: number, length: number): void {
    switch (type) {
      case frameType.headers: {
        const stream = { id, window: this.#streamWindow, answering: false, headed: false, at: 0, next: 0 };
        this.#streams.set(id, stream);
        if ((flags & flag.endStream) !== 0) this.#send(stream);
        break;
      }
      case frameType.data: {
        this.#refill(length);
        const stream = this.#streams.get(id);
        if (stream !== undefined && (flags & flag.endStream) !== 0) this.#send(stream);
        break;
      }
      case frameType.rstStream:
        this.#streams.delete(id);
        break;
      case frameType.settings:
        if ((flags & flag.ack) === 0) this.#settings(data, at, length);
        break;
      case frameType.ping:
        if ((flags & flag.ack) === 0) this.#output.frame(frameType.ping, flag.ack, 0, data, at, at + length);
        break;
      case frameType.windowUpdate:
        this.#widen(id, data.readUInt32BE(at));
        break;
      default: // nothing else asks for an answer
    }
  }

  #settings(data: Buffer, at: number, length: number): void {
    for (let entry = at; entry < at + length; entry += 6) {
      if (data.readUInt16BE(entry) !== settingInitialWindowSize) continue;
      const window = data.readUInt32BE(entry + 2);
      for (const stream of this.#streams.values()) stream.window += window - this.#streamWindow;
      this.#streamWindow = window;
    }
    this.#output.canned(settingsAck, 0);
    this.#sendAll();
  }

  #widen(id: number, increment: number): void {
    if (id === 0) {
      this.#window += increment;
      this.#sendAll();
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return; // answered already
    stream.window += increment;
    if (stream.answering) this.#send(stream);
  }

  /** Streams give nothing back: the bodies of requests are shorter than their windows. */
  #refill(length: number): void {
    this.#received += length;
    if (this.#received < refillLength) return;
    const payload = uint32(this.#received);
    this.#output.frame(frameType.windowUpdate, 0, 0, payload, 0, payload.length);
    this.#received = 0;
  }

  #sendAll(): void {
    for (const stream of this.#streams.values()) {
      if (stream.answering) this.#send(stream);
    }
  }

  /** Sends as much of the answer as the windows allow. */
  #send(stream: Stream): void {
    const { heads, body, ends, tail } = this.#answer;
    stream.answering = true;
    if (!stream.headed) {
      stream.headed = true;
      this.#variant = (this.#variant + 1) % heads.length;
      this.#output.canned(heads[this.#variant] as Buffer, stream.id);
    }
    while (stream.at < body.length) {
      const end = ends[stream.next] as number;
      const length = Math.min(end - stream.at, maxFrameLength, stream.window, this.#window);
      if (length <= 0) return;
      const to = stream.at + length;
      const last = to === body.length && tail === undefined;
      this.#output.frame(frameType.data, last ? flag.endStream : 0, stream.id, body, stream.at, to);
      stream.window -= length;
      this.#window -= length;
      stream.at = to;
      if (to === end) stream.next++;
    }
    if (tail !== undefined) this.#output.canned(tail, stream.id);
    this.#streams.delete(stream.id);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
