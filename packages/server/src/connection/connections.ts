import type { ServerResponse } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import { publish } from "../events.ts";
import type { Intake } from "../intake/intake.ts";
import type { Settings } from "../options.ts";
import type { Wire } from "../wire/wire.ts";
import {
  type Connection,
  type ConnectionChange,
  type ConnectionObserver,
  type ConnectionSnapshot,
  type ConnectionSocket,
  type RetireCause,
  remoteOf,
} from "./connection.ts";
import { Handshake } from "./handshake.ts";
import { Http1Connection } from "./http1-connection.ts";
import { Http2Connection } from "./http2-connection.ts";

/** What a lifecycle has seen since its beginning, as plain JSON. */
export interface ConnectionTotals {
  /** Connections whose protocol was settled. */
  readonly opened: number;
  readonly closed: number;
  /** Connections above `maxConnections`. */
  readonly refused: number;
  readonly retired: number;
  readonly goawaysSent: number;
  /** HTTP/2 streams and HTTP/1.1 requests. */
  readonly streams: number;
}

/** All connections of a lifecycle. Those that arrive after `drain()` are retired at once, after `destroyAll()` destroyed. */
export class Connections implements Intake, ConnectionObserver {
  readonly #settings: Settings;
  readonly #onGone: () => void;
  readonly #open = new Set<Connection>();
  /** Those that came before their protocol was settled. */
  readonly #admitted = new WeakSet<ConnectionSocket>();
  readonly #http1 = new WeakMap<ConnectionSocket, Http1Connection>();
  readonly #counts = { opened: 0, closed: 0, refused: 0, retired: 0 };
  /** Of the connections that are closed. */
  readonly #past = { goawaysSent: 0, streams: 0 };
  #arrivals: "keep" | "retire" | "destroy" = "keep";
  #lastId = 0;
  #warned = false;

  /** @param onGone called when a connection is gone */
  constructor(settings: Settings, onGone: () => void) {
    this.#settings = settings;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#open.size;
  }

  snapshot(): { readonly totals: ConnectionTotals; readonly connections: readonly ConnectionSnapshot[] } {
    const connections = [...this.#open].map((connection) => connection.snapshot());
    let { goawaysSent, streams } = this.#past;
    for (const connection of connections) {
      goawaysSent += connection.goawaysSent;
      streams += connection.streams;
    }
    return { totals: { ...this.#counts, goawaysSent, streams }, connections };
  }

  retireAll(cause: RetireCause): void {
    for (const connection of [...this.#open]) connection.retire(cause);
  }

  /** The limits have changed. */
  review(): void {
    for (const connection of [...this.#open]) connection.review();
  }

  drain(): void {
    this.#arrivals = "retire";
    this.retireAll("shutdown");
  }

  destroyAll(): void {
    this.#arrivals = "destroy";
    for (const connection of [...this.#open]) connection.destroy("forced");
  }

  admits(socket: ConnectionSocket): boolean {
    const { maxConnections } = this.#settings;
    if (this.#open.size < maxConnections || this.#admitted.has(socket)) return true;
    this.#counts.refused++;
    publish({ type: "refused", ...remoteOf(socket), maxConnections });
    return false;
  }

  onHttp2(protocol: "h2" | "h2c", session: ServerHttp2Session, socket: ConnectionSocket, wire: Wire): void {
    this.#add(new Http2Connection({ protocol, session, socket, wire, ...this.#common() }));
  }

  onHttp1(socket: ConnectionSocket): void {
    const connection = new Http1Connection({ socket, ...this.#common() });
    this.#http1.set(socket, connection);
    this.#add(connection);
  }

  onHttp1Request(socket: ConnectionSocket, response: ServerResponse): void {
    this.#http1.get(socket)?.begin(response);
  }

  onHttp1Upgrade(socket: ConnectionSocket): void {
    this.#http1.get(socket)?.upgrade();
  }

  onHandshake(protocol: "tcp" | "tls", socket: ConnectionSocket): () => void {
    const handshake = new Handshake({ protocol, socket, ...this.#common() });
    this.#admitted.add(socket);
    this.#add(handshake);
    return () => handshake.end();
  }

  onChange(change: ConnectionChange): void {
    if (change.type === "opened") this.#counts.opened++;
    if (change.type === "retiring") this.#counts.retired++;
    if (change.type === "closed") {
      this.#counts.closed++;
      this.#past.goawaysSent += change.connection.goawaysSent;
      this.#past.streams += change.connection.streams;
    }
    if (change.type === "draining" && change.notice.kind === "unsupported" && !this.#warned) {
      this.#warned = true;
      process.emitWarning(
        `connection ${change.connection.id} got a single GOAWAY, which can lose RPCs that are under way: ${change.notice.reason}`,
        { type: "EvenkeelWarning", code: "EVENKEEL_ONE_PHASE_GOAWAY" },
      );
    }
    publish(change);
  }

  onClose(connection: Connection): void {
    this.#open.delete(connection);
    this.#onGone();
  }

  #add(connection: Connection): void {
    this.#open.add(connection);
    if (this.#arrivals === "retire") connection.retire("shutdown");
    if (this.#arrivals === "destroy") connection.destroy("forced");
  }

  #common(): { readonly id: number; readonly settings: Settings; readonly observer: ConnectionObserver } {
    return { id: ++this.#lastId, settings: this.#settings, observer: this };
  }
}
