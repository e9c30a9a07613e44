import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { publish } from "../events.ts";
import type { Intake } from "../intake.ts";
import type { Settings } from "../options.ts";
import type { Wire } from "../wire/wire.ts";
import type { Connection, ConnectionEvent, ConnectionObserver, ConnectionSnapshot, RetireCause } from "./connection.ts";
import { Handshake } from "./handshake.ts";
import { Http1Connection } from "./http1-connection.ts";
import { Http2Connection } from "./http2-connection.ts";

/** All connections of a lifecycle. Those that arrive after `drain()` are retired at once, after `destroyAll()` destroyed. */
export class Connections implements Intake, ConnectionObserver {
  readonly #settings: Settings;
  readonly #onGone: () => void;
  readonly #open = new Set<Connection>();
  #arrivals: "keep" | "retire" | "destroy" = "keep";
  #seen = 0;
  #warned = false;

  /** @param onGone called when a connection is gone */
  constructor(settings: Settings, onGone: () => void) {
    this.#settings = settings;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#open.size;
  }

  snapshot(): readonly ConnectionSnapshot[] {
    return [...this.#open].map((connection) => connection.snapshot());
  }

  retireAll(cause: RetireCause): void {
    for (const connection of [...this.#open]) connection.retire(cause);
  }

  drain(): void {
    this.#arrivals = "retire";
    this.retireAll("shutdown");
  }

  destroyAll(): void {
    this.#arrivals = "destroy";
    for (const connection of [...this.#open]) connection.destroy("forced");
  }

  onHttp2(protocol: "h2" | "h2c", session: ServerHttp2Session, socket: Duplex, wire: Wire): void {
    this.#add(new Http2Connection({ id: ++this.#seen, protocol, session, socket, wire, ...this.#common() }));
  }

  onHttp1(socket: Socket): void {
    this.#add(new Http1Connection({ id: ++this.#seen, socket, ...this.#common() }));
  }

  onHandshake(socket: Socket): () => void {
    const handshake = new Handshake({ id: ++this.#seen, socket, ...this.#common() });
    this.#add(handshake);
    return () => handshake.end();
  }

  onEvent(event: ConnectionEvent): void {
    if (event.type === "draining" && event.notice.kind === "unsupported" && !this.#warned) {
      this.#warned = true;
      process.emitWarning(
        `connection ${event.connection.id} got a single GOAWAY, which can lose RPCs that are under way: ${event.notice.reason}`,
        { type: "EvenkeelWarning", code: "EVENKEEL_ONE_PHASE_GOAWAY" },
      );
    }
    publish(event);
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

  #common(): { readonly settings: Settings; readonly observer: ConnectionObserver } {
    return { settings: this.#settings, observer: this };
  }
}
