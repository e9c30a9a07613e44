import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { host } from "./children.ts";
import type { Use } from "./suite.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;
const frameHeader = 9;
const frameType = { data: 0, headers: 1, rstStream: 3, goaway: 7 };
const endStream = 0x1;
const refusedStream = 7;

/** Passes h2c connections on to a port, and counts what goes by (RFC 9113, section 4.1). */
export class Tap {
  connections = 0;
  /** Connections that the server sent GOAWAY on. */
  retired = 0;
  /** Streams that the server refused. */
  refused = 0;
  /** Streams whose only HEADERS are their end: what gRPC calls Trailers-Only. */
  trailersOnly = 0;
  /** The most streams that were open on one connection, as its server saw it or later. */
  maxOpen = 0;
  readonly #server: Server;

  private constructor(target: number, sockets: Set<Socket>) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#pass(socket, connect(target, host), sockets);
    });
  }

  static async start(target: number, use: Use): Promise<Tap> {
    const sockets = new Set<Socket>();
    const tap = new Tap(target, sockets);
    tap.#server.listen(0, host);
    await once(tap.#server, "listening");
    use(() => {
      tap.#server.close();
      for (const socket of sockets) socket.destroy();
    });
    return tap;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the tap is closed");
    return address.port;
  }

  #pass(client: Socket, server: Socket, sockets: Set<Socket>): void {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay();
      from.on("error", () => to.resetAndDestroy());
      from.on("close", () => sockets.delete(from));
      from.pipe(to);
    }
    /** Open streams: which sides have not ended them yet, and whether the server sent HEADERS. */
    const open = new Map<number, { client: boolean; server: boolean; answered: boolean }>();
    let isRetired = false;
    let last = 0;
    const end = (id: number, side: "client" | "server"): void => {
      const stream = open.get(id);
      if (stream === undefined) return;
      stream[side] = false;
      if (!stream.client && !stream.server) open.delete(id);
    };
    onFrames(client, preface, (type, flags, id) => {
      if (type === frameType.headers && id > last) {
        last = id;
        open.set(id, { client: true, server: true, answered: false });
        this.maxOpen = Math.max(this.maxOpen, open.size);
      }
      if (type === frameType.rstStream) open.delete(id);
      if ((type === frameType.headers || type === frameType.data) && (flags & endStream) !== 0) end(id, "client");
    });
    onFrames(server, 0, (type, flags, id, payload) => {
      const ends = (flags & endStream) !== 0;
      const stream = open.get(id);
      switch (type) {
        case frameType.headers:
          if (ends && stream?.answered === false) this.trailersOnly++;
          if (stream !== undefined) stream.answered = true;
          if (ends) end(id, "server");
          break;
        case frameType.data:
          if (ends) end(id, "server");
          break;
        case frameType.rstStream:
          if (payload.readUInt32BE(0) === refusedStream) this.refused++;
          open.delete(id);
          break;
        case frameType.goaway:
          if (!isRetired) this.retired++;
          isRetired = true;
          break;
      }
    });
  }
}

/** Tells of each frame that comes from a socket, with the start of its payload. */
function onFrames(
  socket: Socket,
  skip: number,
  onFrame: (type: number, flags: number, streamId: number, payload: Buffer) => void,
): void {
  let buffered: Buffer = Buffer.alloc(0);
  let left = skip;
  socket.on("data", (chunk: Buffer) => {
    let bytes = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    for (;;) {
      const skipped = Math.min(left, bytes.length);
      bytes = bytes.subarray(skipped);
      left -= skipped;
      if (bytes.length < frameHeader) break;
      const length = bytes.readUIntBE(0, 3);
      const wanted = Math.min(length, 8);
      if (bytes.length < frameHeader + wanted) break;
      onFrame(
        bytes.readUInt8(3),
        bytes.readUInt8(4),
        bytes.readUInt32BE(5) & 0x7fff_ffff,
        bytes.subarray(frameHeader, frameHeader + wanted),
      );
      left = frameHeader + length;
    }
    buffered = bytes;
  });
}
