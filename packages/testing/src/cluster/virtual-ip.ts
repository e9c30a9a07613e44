import { connect, createServer, type Server, type Socket } from "node:net";
import { type Endpoint, formatAddress, type Random, randomInt, systemRandom, usableEndpoints } from "@evenkeel/core";
import { addressOf, close, listen } from "./tcp.ts";

export interface VirtualIpOptions {
  /** What pods are chosen with. Default: the randomness of the process. */
  readonly random?: Random;
}

/**
 * A ClusterIP: chooses a random pod for each TCP connection, as kube-proxy does, and forwards bytes both ways for as
 * long as the connection lives, whatever becomes of the pod's place in the endpoint set.
 *
 * It chooses among the ready pods, or where there is none among those that terminate but still serve; a connection that
 * finds none is reset. An end of sending is passed on as such, a break as a reset.
 */
export class VirtualIp {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  readonly #endpoints: () => readonly Endpoint[];
  readonly #random: Random;
  /** Connections of clients, and the key of the endpoint that each was given. */
  readonly #clients = new Map<Socket, string>();
  #closing: Promise<void> | undefined;

  private constructor(server: Server, endpoints: () => readonly Endpoint[], random: Random) {
    const { address, port } = addressOf(server);
    this.host = address;
    this.port = port;
    this.#server = server;
    this.#endpoints = endpoints;
    this.#random = random;
    server.on("connection", (client) => this.#forward(client));
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(endpoints: () => readonly Endpoint[], options: VirtualIpOptions = {}): Promise<VirtualIp> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await listen(server, "127.0.0.1", 0);
    return new VirtualIp(server, endpoints, options.random ?? systemRandom);
  }

  /** `127.0.0.1:<port>`. */
  get address(): string {
    return formatAddress(this);
  }

  /** `http://127.0.0.1:<port>`. */
  get url(): string {
    return `http://${this.address}`;
  }

  /** How many connections are open to each pod that has any, by the endpoint's key: the pod's name. */
  connections(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const key of this.#clients.values()) counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts;
  }

  /** Stops, and resets every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const closed = close(this.#server);
    for (const client of this.#clients.keys()) client.resetAndDestroy();
    await closed;
  }

  #forward(client: Socket): void {
    const candidates = usableEndpoints(this.#endpoints());
    const endpoint = candidates[randomInt(this.#random, candidates.length)];
    if (endpoint === undefined) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const { host, port } = endpoint.addresses[0];
    const pod = connect({ host, port, allowHalfOpen: true, noDelay: true });
    this.#clients.set(client, endpoint.key);
    client.on("close", () => this.#clients.delete(client));
    join(client, pod);
    join(pod, client);
  }
}

/** Passes on what comes from `from`, its end, and its break. */
function join(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on("error", () => {}); // "close" follows
  from.on("close", () => {
    // after a complete exchange both have ended, and this does nothing
    if (!from.readableEnded || !from.writableFinished) to.resetAndDestroy();
  });
}
