import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";
import { type Connection, type ConnectionObserver, type ConnectionSnapshot, remoteOf } from "./connection.ts";

export interface Http1ConnectionInit {
  readonly id: number;
  readonly socket: Pick<Socket, "destroy" | "once" | "remoteAddress" | "remotePort">;
  readonly settings: { readonly clock: Clock };
  readonly observer: ConnectionObserver;
}

/** A connection that negotiated HTTP/1.1: left to node, waited for, and destroyed when the wait is over. */
export class Http1Connection implements Connection {
  readonly #init: Http1ConnectionInit;
  readonly #remote: { readonly remote?: string };
  readonly #openedAt: number;
  #state: "ready" | "closed" = "ready";
  #destroyCause: "graceOver" | "forced" | undefined;

  constructor(init: Http1ConnectionInit) {
    this.#init = init;
    this.#remote = remoteOf(init.socket);
    this.#openedAt = init.settings.clock.now();
    init.observer.onEvent({ type: "opened", connection: this.snapshot() });
    init.socket.once("close", () => {
      this.#state = "closed";
      init.observer.onEvent({ type: "closed", connection: this.snapshot(), cause: this.#destroyCause ?? "other" });
      init.observer.onClose(this);
    });
  }

  snapshot(): ConnectionSnapshot {
    return {
      id: this.#init.id,
      protocol: "http/1.1",
      ...this.#remote,
      state: this.#state,
      ageMs: Math.round(this.#init.settings.clock.now() - this.#openedAt),
      openStreams: 0,
      goawaysSent: 0,
    };
  }

  retire(): void {
    // its keep-alive timeout ends it; to close it under a request that is on its way would lose that request
  }

  destroy(cause: "graceOver" | "forced"): void {
    this.#destroyCause = cause;
    this.#init.socket.destroy();
  }
}
