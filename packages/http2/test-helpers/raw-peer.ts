import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** The other side of one connection, frame by frame (RFC 9113, section 6). */
export interface RawConnection {
  readonly socket: Socket;
  settings(values?: readonly (readonly [id: number, value: number])[]): void;
  /** Response headers with `:status: 200` and nothing else. */
  headers(streamId: number, options?: { readonly endStream: boolean }): void;
  /** `grpc-status: 0`, and the end of the stream. */
  trailers(streamId: number): void;
  data(streamId: number, text: string, options?: { readonly endStream: boolean }): void;
  rstStream(streamId: number, errorCode: number): void;
  windowUpdate(streamId: number, increment: number): void;
  goaway(lastStreamId: number, errorCode: number, debugData?: string): void;
}

export interface RawPeerScript {
  /** After the client's preface; by default SETTINGS are sent. */
  readonly onConnect?: (connection: RawConnection) => void;
  readonly onRequest?: (streamId: number, connection: RawConnection) => void;
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

const preface = 24;
const type = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export async function startRawPeer(script: RawPeerScript): Promise<RawPeer> {
  const connections: RawConnection[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const connection = createRawConnection(socket);
    connections.push(connection);
    readFrames(socket, connection, script);
  });
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

function createRawConnection(socket: Socket): RawConnection {
  const write = (frameType: number, flags: number, streamId: number, payload: Buffer): void => {
    if (socket.writable) socket.write(frame(frameType, flags, streamId, payload));
  };
  return {
    socket,
    settings(values = []) {
      const payload = Buffer.alloc(values.length * 6);
      values.forEach(([id, value], index) => {
        payload.writeUInt16BE(id, index * 6);
        payload.writeUInt32BE(value, index * 6 + 2);
      });
      write(type.settings, 0, 0, payload);
    },
    headers(streamId, options) {
      const flags = flag.endHeaders | (options?.endStream === true ? flag.endStream : 0);
      write(type.headers, flags, streamId, Buffer.from([0x88]));
    },
    trailers(streamId) {
      const name = "grpc-status";
      const block = Buffer.from(`\0${String.fromCharCode(name.length)}${name}\u{1}0`);
      write(type.headers, flag.endHeaders | flag.endStream, streamId, block);
    },
    data(streamId, text, options) {
      write(type.data, options?.endStream === true ? flag.endStream : 0, streamId, Buffer.from(text));
    },
    rstStream: (streamId, errorCode) => write(type.rstStream, 0, streamId, uint32(errorCode)),
    windowUpdate: (streamId, increment) => write(type.windowUpdate, 0, streamId, uint32(increment)),
    goaway(lastStreamId, errorCode, debugData = "") {
      write(type.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(errorCode), Buffer.from(debugData)]));
    },
  };
}

function readFrames(socket: Socket, connection: RawConnection, script: RawPeerScript): void {
  let buffered: Buffer = Buffer.alloc(0);
  let greeted = false;
  socket.on("data", (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    if (!greeted) {
      if (buffered.length < preface) return;
      buffered = buffered.subarray(preface);
      greeted = true;
      if (script.onConnect === undefined) connection.settings();
      else script.onConnect(connection);
    }
    while (buffered.length >= 9) {
      const length = buffered.readUIntBE(0, 3);
      if (buffered.length < 9 + length) return;
      const [frameType, flags] = [buffered[3], buffered[4] ?? 0];
      const streamId = buffered.readUInt32BE(5) & 0x7fffffff;
      const payload = buffered.subarray(9, 9 + length);
      buffered = buffered.subarray(9 + length);
      if (frameType === type.headers) script.onRequest?.(streamId, connection);
      if (frameType === type.settings && (flags & flag.ack) === 0) socket.write(frame(type.settings, flag.ack, 0));
      if (frameType === type.ping && (flags & flag.ack) === 0) {
        if (script.answersPings !== false) socket.write(frame(type.ping, flag.ack, 0, payload));
        script.onPing?.();
      }
    }
  });
}

function frame(frameType: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = frameType;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
