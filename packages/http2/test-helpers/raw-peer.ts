import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import {
  connectionPreface,
  encodeFrame,
  Flag,
  FrameType,
  frameHeaderBytes,
  readUint31,
  writeUint32,
} from "../src/frames/frame.ts";
import { encodeHeaderBlock } from "../src/hpack/encoder.ts";
import type { HeaderField } from "../src/hpack/header-field.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The other side of one connection, frame by frame (RFC 9113, section 6). */
export interface RawConnection {
  readonly socket: Socket;
  /** What the client sent. */
  readonly received: readonly RawFrame[];
  /** Any frame, also one that breaks every rule. */
  frame(type: number, flags: number, streamId: number, payload?: Uint8Array | string): void;
  settings(values?: readonly (readonly [id: number, value: number])[]): void;
  /** Response headers, by default `:status: 200` and nothing else. */
  headers(streamId: number, options?: { readonly endStream?: boolean; readonly fields?: readonly HeaderField[] }): void;
  /** `grpc-status: 0`, and the end of the stream. */
  trailers(streamId: number): void;
  data(streamId: number, chunk: Uint8Array | string, options?: { readonly endStream: boolean }): void;
  rstStream(streamId: number, errorCode: number): void;
  windowUpdate(streamId: number, increment: number): void;
  goaway(lastStreamId: number, errorCode: number, debugData?: string): void;
}

export interface RawPeerScript {
  /** After the client's preface; by default SETTINGS are sent. */
  readonly onConnect?: (connection: RawConnection) => void;
  readonly onRequest?: (streamId: number, connection: RawConnection) => void;
  /** Every frame, after it was answered. */
  readonly onFrame?: (frame: RawFrame, connection: RawConnection) => void;
  /** Whether pings are answered. Default true. */
  readonly answersPings?: boolean;
  /** After the answer to a ping, if there is one. */
  readonly onPing?: () => void;
}

/** A server that does exactly what its script says, right or wrong. */
export interface RawPeer extends AsyncDisposable {
  readonly port: number;
  readonly connections: readonly RawConnection[];
}

/** With TLS if there is a certificate. */
export async function startRawPeer(
  script: RawPeerScript,
  tls?: { readonly key: string; readonly cert: string },
): Promise<RawPeer> {
  const connections: RawConnection[] = [];
  const onSocket = (socket: Socket): void => void connections.push(playRawPeer(socket, script));
  const server =
    tls === undefined
      ? createServer({ noDelay: true }, onSocket)
      : createTlsServer({ ...tls, noDelay: true, ALPNProtocols: ["h2"] }, onSocket);
  return {
    port: await listen(server),
    connections,
    async [Symbol.asyncDispose]() {
      for (const { socket } of connections) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening on TCP");
  return address.port;
}

/** Plays the script on a socket. */
export function playRawPeer(socket: Socket, script: RawPeerScript): RawConnection {
  const received: RawFrame[] = [];
  const connection = createRawConnection(socket, received);
  socket.on("error", () => {});
  readFrames(connection, script, (frame) => {
    const { type, flags, streamId, payload } = frame;
    received.push(frame);
    if (type === FrameType.headers) script.onRequest?.(streamId, connection);
    if (type === FrameType.settings && (flags & Flag.ack) === 0) connection.frame(FrameType.settings, Flag.ack, 0);
    if (type === FrameType.ping && (flags & Flag.ack) === 0) {
      if (script.answersPings !== false) connection.frame(FrameType.ping, Flag.ack, 0, payload);
      script.onPing?.();
    }
    script.onFrame?.(frame, connection);
  });
  return connection;
}

function createRawConnection(socket: Socket, received: readonly RawFrame[]): RawConnection {
  const write = (type: number, flags: number, streamId: number, payload: Uint8Array | string = ""): void => {
    if (socket.writable) socket.write(encodeFrame(type, flags, streamId, Buffer.from(payload)));
  };
  return {
    socket,
    received,
    frame: write,
    settings(values = []) {
      const payload = Buffer.alloc(values.length * 6);
      values.forEach(([id, value], index) => {
        payload.writeUInt16BE(id, index * 6);
        payload.writeUInt32BE(value, index * 6 + 2);
      });
      write(FrameType.settings, 0, 0, payload);
    },
    headers(streamId, { endStream = false, fields = [[":status", "200"] as const] } = {}) {
      const flags = Flag.endHeaders | (endStream ? Flag.endStream : 0);
      write(FrameType.headers, flags, streamId, encodeHeaderBlock(fields));
    },
    trailers(streamId) {
      this.headers(streamId, { endStream: true, fields: [["grpc-status", "0"]] });
    },
    data(streamId, chunk, options) {
      write(FrameType.data, options?.endStream === true ? Flag.endStream : 0, streamId, chunk);
    },
    rstStream: (streamId, errorCode) => write(FrameType.rstStream, 0, streamId, uint32(errorCode)),
    windowUpdate: (streamId, increment) => write(FrameType.windowUpdate, 0, streamId, uint32(increment)),
    goaway(lastStreamId, errorCode, debugData = "") {
      write(FrameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(errorCode), Buffer.from(debugData)]));
    },
  };
}

function readFrames(connection: RawConnection, script: RawPeerScript, onFrame: (frame: RawFrame) => void): void {
  let buffered: Buffer = Buffer.alloc(0);
  let greeted = false;
  connection.socket.on("data", (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    if (!greeted) {
      if (buffered.length < connectionPreface.length) return;
      buffered = buffered.subarray(connectionPreface.length);
      greeted = true;
      if (script.onConnect === undefined) connection.settings();
      else script.onConnect(connection);
    }
    while (buffered.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + buffered.readUIntBE(0, 3);
      if (buffered.length < end) return;
      const [type = 0, flags = 0] = buffered.subarray(3, 5);
      const payload = Buffer.from(buffered.subarray(frameHeaderBytes, end));
      const streamId = readUint31(buffered, 5);
      buffered = buffered.subarray(end);
      onFrame({ type, flags, streamId, payload });
    }
  });
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  writeUint32(bytes, 0, value);
  return bytes;
}
