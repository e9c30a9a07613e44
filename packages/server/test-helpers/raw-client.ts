import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { connectionPreface, encodeFrame, FrameType } from "../../http2/src/frames/frame.ts";
import { encodeSettings } from "../../http2/src/frames/settings.ts";

export interface Frame {
  readonly type: "DATA" | "HEADERS" | "RST_STREAM" | "SETTINGS" | "PING" | "GOAWAY" | "WINDOW_UPDATE" | "other";
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const types: readonly Frame["type"][] = [
  "DATA",
  "HEADERS",
  "other",
  "RST_STREAM",
  "SETTINGS",
  "other",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
];

export const noticeLastStream: number = 2 ** 31 - 1;

export function lastStreamOf(goaway: Frame): number {
  return goaway.payload.readUInt32BE(0);
}

/**
 * An HTTP/2 client that shows every frame as it is on the wire and does only what a test tells it to: no PING is
 * answered and no window opened by itself. A byte out of place makes an unknown frame, which `frames` would show.
 */
export class RawClient {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  /** The server's FIN has arrived. */
  ended = false;
  closed = false;
  /** Answer PINGs and SETTINGS at once. */
  autoAck = true;
  #buffer: Buffer = Buffer.alloc(0);
  #nextStream = 1;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("error", () => {});
  }

  /** Sends the preface and SETTINGS, with windows of `windowBytes`. */
  begin(windowBytes = 65_535): void {
    this.socket.write(connectionPreface);
    this.send(FrameType.settings, 0, 0, encodeSettings({ initialWindowSize: windowBytes }));
    if (windowBytes > 65_535) this.openWindow(0, windowBytes - 65_535);
  }

  /** Sends a POST without END_STREAM. @returns its stream id */
  request(path: string, end = true): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const literal = (name: number, value: string) => Buffer.from([name, value.length, ...Buffer.from(value)]);
    // HPACK: :method POST, :scheme http (indexed), :path and :authority (literal with an indexed name)
    const block = Buffer.concat([Buffer.from([0x83, 0x86]), literal(0x04, path), literal(0x01, "localhost")]);
    this.send(1, 4 | (end ? 1 : 0), stream, block);
    return stream;
  }

  endStream(stream: number): void {
    this.send(0, 1, stream, Buffer.alloc(0));
  }

  openWindow(stream: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    this.send(8, 0, stream, payload);
  }

  ack(ping: Frame): void {
    this.send(6, 1, 0, ping.payload);
  }

  send(type: number, flags: number, stream: number, payload: Buffer): void {
    this.socket.write(encodeFrame(type, flags, stream, payload));
  }

  of(type: Frame["type"]): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Response bytes of a stream so far. */
  dataOf(stream: number): Buffer {
    return Buffer.concat(
      this.of("DATA")
        .filter((frame) => frame.stream === stream)
        .map((frame) => frame.payload),
    );
  }

  isComplete(stream: number): boolean {
    return this.frames.some((f) => f.stream === stream && (f.type === "DATA" || f.type === "HEADERS") && f.flags & 1);
  }

  /** The server's own PINGs, without answers to ours. */
  pings(): Frame[] {
    return this.of("PING").filter((frame) => (frame.flags & 1) === 0);
  }

  async end(): Promise<void> {
    if (this.closed) return;
    const closed = once(this.socket, "close");
    this.socket.destroy();
    await closed;
  }

  #onData(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < 9 + length) return;
      const frame: Frame = {
        type: types[this.#buffer.readUInt8(3)] ?? "other",
        flags: this.#buffer.readUInt8(4),
        stream: this.#buffer.readUInt32BE(5),
        payload: Buffer.from(this.#buffer.subarray(9, 9 + length)),
      };
      this.#buffer = this.#buffer.subarray(9 + length);
      this.frames.push(frame);
      if (!this.autoAck || (frame.flags & 1) === 1) continue;
      if (frame.type === "PING") this.ack(frame);
      if (frame.type === "SETTINGS") this.send(4, 1, 0, Buffer.alloc(0));
    }
  }
}

export async function connectRaw(port: number, secure: boolean): Promise<RawClient> {
  const socket = secure
    ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] })
    : connectTcp({ port, host: "127.0.0.1", allowHalfOpen: false });
  const client = new RawClient(socket);
  await once(socket, secure ? "secureConnect" : "connect");
  return client;
}

/** Waits until `condition` holds; fails with `what` after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await sleep(2);
  }
}
