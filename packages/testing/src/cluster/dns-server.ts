import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Clock, type Endpoint, formatAddress, systemClock } from "@evenkeel/core";
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Question,
  RECURSION_DESIRED,
} from "dns-packet";
import { checkMs } from "./options.ts";

/** How a DNS server of a cluster behaves. Each of them can be changed while it runs. */
export interface ClusterDnsOptions {
  /** Seconds for which an answer is cached, by the server as well as by its clients; fractions count. Default 30. */
  readonly ttlSeconds?: number;
  /** Milliseconds that every answer takes. Default 0. */
  readonly delayMs?: number;
  /** What every query is answered with instead. Default: none. */
  readonly failWith?: DnsFailure | undefined;
  /** What the age of the cache is measured on. Default: the clock of the process. */
  readonly clock?: Clock;
}

/** `timeout`: no answer at all. */
export type DnsFailure = "SERVFAIL" | "NXDOMAIN" | "REFUSED" | "timeout";

const responseCodes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

interface View {
  readonly endpoints: readonly Endpoint[];
  readonly takenAt: number;
}

interface Reply {
  readonly code: keyof typeof responseCodes;
  readonly answers: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/**
 * A DNS server for one headless Service, on UDP and loopback, with the records of Kubernetes' DNS specification:
 *
 * - A records of the Service's host: the addresses of the ready pods; NXDOMAIN when there is none. No AAAA records.
 * - SRV records of `_grpc._tcp.<host>`: the ready pods' ports, with targets of their own that have A records.
 * - NXDOMAIN for every other name.
 *
 * It lags as CoreDNS does: the first query after `ttlSeconds` looks at the endpoint set, and what it finds, also when
 * it is nothing, is the answer until they have passed again, with the time that is left as TTL. Answers are never
 * truncated, whatever size the client asks for.
 */
export class ClusterDns {
  /** Where it listens, as `dns.setServers` takes it: `127.0.0.1:<port>`. */
  readonly address: string;
  /** What every query is answered with instead of the truth, from now on. */
  failWith: DnsFailure | undefined;
  readonly #socket: Socket;
  readonly #host: string;
  readonly #endpoints: () => readonly Endpoint[];
  readonly #clock: Clock;
  readonly #delayed = new Set<NodeJS.Timeout>();
  #ttlSeconds: number;
  #delayMs: number;
  #view: View | undefined;
  #queries = 0;
  #closing: Promise<void> | undefined;

  private constructor(socket: Socket, host: string, endpoints: () => readonly Endpoint[], options: ClusterDnsOptions) {
    const { address, port } = socket.address();
    this.address = formatAddress({ host: address, port });
    this.#socket = socket;
    this.#host = host.toLowerCase();
    this.#endpoints = endpoints;
    this.#clock = options.clock ?? systemClock;
    this.#ttlSeconds = checkTtl(options.ttlSeconds ?? 30);
    this.#delayMs = checkMs("delayMs", options.delayMs ?? 0);
    this.failWith = options.failWith;
    socket.on("message", (message, client) => this.#received(message, client));
  }

  /** Answers for `host` with the ready ones of `endpoints()`. Rejects with a `RangeError` for options out of range. */
  static async start(
    host: string,
    endpoints: () => readonly Endpoint[],
    options: ClusterDnsOptions = {},
  ): Promise<ClusterDns> {
    const socket = createSocket("udp4");
    try {
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      return new ClusterDns(socket, host, endpoints, options);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Seconds for which an answer is cached; a change counts for what is cached already, so that 0 empties the cache. */
  get ttlSeconds(): number {
    return this.#ttlSeconds;
  }

  set ttlSeconds(seconds: number) {
    this.#ttlSeconds = checkTtl(seconds);
  }

  /** Milliseconds that every answer takes, from now on. */
  get delayMs(): number {
    return this.#delayMs;
  }

  set delayMs(ms: number) {
    this.#delayMs = checkMs("delayMs", ms);
  }

  /** How many queries it has received. */
  get queries(): number {
    return this.#queries;
  }

  /** Stops; answers that are delayed are not sent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#delayed.clear();
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  #received(message: Buffer, client: RemoteInfo): void {
    let query: DecodedPacket;
    try {
      query = decode(message);
    } catch {
      return; // not DNS
    }
    this.#queries++;
    const question = query.questions?.[0];
    if (question === undefined || this.failWith === "timeout") return;
    const reply = this.#reply(question);
    const packet = encode({
      type: "response",
      id: query.id,
      flags: AUTHORITATIVE_ANSWER | ((query.flags ?? 0) & RECURSION_DESIRED) | responseCodes[reply.code],
      questions: [question],
      answers: [...reply.answers],
      additionals: [...reply.additionals],
    });
    if (this.#delayMs === 0) {
      this.#socket.send(packet, client.port, client.address);
      return;
    }
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#socket.send(packet, client.port, client.address);
    }, this.#delayMs);
    this.#delayed.add(timer);
  }

  #reply(question: Question): Reply {
    if (this.failWith !== undefined && this.failWith !== "timeout") return failure(this.failWith);
    const { endpoints, ttl } = this.#look();
    const asked = question.name.toLowerCase(); // answered as it was spelt: clients compare it (0x20 encoding)
    if (asked === `_grpc._tcp.${this.#host}`) return this.#services(question, endpoints, ttl);
    const found = asked === this.#host ? endpoints : endpoints.filter((each) => this.#hostOf(each) === asked);
    if (found.length === 0) return failure("NXDOMAIN");
    const hosts = new Set(found.map((endpoint) => endpoint.addresses[0].host));
    const answers = [...hosts].map((data): Answer => ({ type: "A", name: question.name, ttl, data }));
    return { code: "NOERROR", answers: question.type === "A" ? answers : [], additionals: [] };
  }

  #services(question: Question, endpoints: readonly Endpoint[], ttl: number): Reply {
    if (endpoints.length === 0) return failure("NXDOMAIN");
    if (question.type !== "SRV") return { code: "NOERROR", answers: [], additionals: [] };
    const weight = Math.max(1, Math.floor(100 / endpoints.length)); // as CoreDNS shares it out
    const answers = endpoints.map((endpoint): Answer => {
      const data = { priority: 0, weight, port: endpoint.addresses[0].port, target: this.#hostOf(endpoint) };
      return { type: "SRV", name: question.name, ttl, data };
    });
    const additionals = endpoints.map((endpoint): Answer => {
      return { type: "A", name: this.#hostOf(endpoint), ttl, data: endpoint.addresses[0].host };
    });
    return { code: "NOERROR", answers, additionals };
  }

  #look(): { readonly endpoints: readonly Endpoint[]; readonly ttl: number } {
    const now = this.#clock.now();
    let view = this.#view;
    if (view === undefined || now - view.takenAt >= this.#ttlSeconds * 1000) {
      view = { endpoints: this.#endpoints().filter((endpoint) => endpoint.ready), takenAt: now };
      this.#view = view;
    }
    return { endpoints: view.endpoints, ttl: Math.ceil(this.#ttlSeconds - (now - view.takenAt) / 1000) };
  }

  /** A pod's own name: its key, so that pods that share an address differ. */
  #hostOf(endpoint: Endpoint): string {
    return `${endpoint.key}.${this.#host}`;
  }
}

function failure(code: Exclude<DnsFailure, "timeout">): Reply {
  return { code, answers: [], additionals: [] };
}

function checkTtl(seconds: number): number {
  if (!(Number.isFinite(seconds) && seconds >= 0 && seconds < 2 ** 31)) {
    throw new RangeError(`ttlSeconds: expected seconds from 0 to 2^31 - 1, got ${seconds}`);
  }
  return seconds;
}
