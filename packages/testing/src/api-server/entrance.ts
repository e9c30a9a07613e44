import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { randomInt, systemRandom } from "@evenkeel/core";
import { addressOf, close, listen } from "../cluster/tcp.ts";

/** Ports below those of clusters that share an address, and of outgoing connections: a server that is away keeps its. */
const firstPort = 10_000;
const ports = 10_000;
const attempts = 50;

/** Where connections come in: a port that can be closed, or mute, for a while. */
export class Entrance {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  readonly #accept: (socket: Socket) => void;
  /** By where the peer is. */
  readonly #sockets = new Map<string, Socket>();
  #mute = false;

  private constructor(server: Server, accept: (socket: Socket) => void) {
    const { address, port } = addressOf(server);
    this.host = address;
    this.port = port;
    this.#server = server;
    this.#accept = accept;
    server.on("connection", (socket) => this.#connected(socket));
  }

  /** Without `port`, a free one. Rejects with what keeps it from listening. */
  static async open(host: string, port: number | undefined, accept: (socket: Socket) => void): Promise<Entrance> {
    let reason: unknown;
    for (let attempt = 0; attempt < (port === undefined ? attempts : 1); attempt++) {
      const server = createServer({ noDelay: true });
      try {
        await listen(server, host, port ?? firstPort + randomInt(systemRandom, ports));
        return new Entrance(server, accept);
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  }

  /** Whether it takes connections, and does nothing with them. */
  get mute(): boolean {
    return this.#mute;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** From now on connections are made, by the kernel, and nothing else happens on them; nor on those there are. */
  becomeMute(): void {
    this.#mute = true;
  }

  /** Refuses connections from now on; those there are stay. */
  refuse(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Stops listening, and ends every connection at once. Resolves when all are gone. */
  async close(): Promise<void> {
    const gone = this.#server.listening ? [close(this.#server)] : [];
    for (const socket of this.#sockets.values()) {
      gone.push(once(socket, "close").then(() => {}));
      socket.destroy();
    }
    await Promise.all(gone);
  }

  /** Listens, on the same port; what was open while it was mute is reset. Rejects with what keeps it from listening. */
  async reopen(): Promise<void> {
    if (this.#mute) for (const socket of this.#sockets.values()) resetNow(socket);
    this.#mute = false;
    if (!this.#server.listening) await listen(this.#server, this.host, this.port);
  }

  /** Resets the connection beneath `socket`, over TLS too. */
  reset(socket: Socket): void {
    const own = this.#sockets.get(keyOf(socket));
    if (own !== undefined) resetNow(own);
  }

  #connected(socket: Socket): void {
    const key = keyOf(socket);
    this.#sockets.set(key, socket);
    socket.on("close", () => this.#sockets.delete(key));
    socket.on("error", () => {}); // "close" follows
    if (!this.#mute) this.#accept(socket);
  }
}

/** A reset of what is ending already fails, and node then tells of no close. */
function resetNow(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
