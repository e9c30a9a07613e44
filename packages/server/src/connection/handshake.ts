import type { Clock, Timer } from "../clock.ts";
import { setTimeoutAfterPoll } from "./after-poll.ts";
import {
  type Connection,
  type ConnectionObserver,
  type ConnectionSnapshot,
  type ConnectionSocket,
  type RetireCause,
  remoteOf,
} from "./connection.ts";

export interface HandshakeInit {
  readonly id: number;
  readonly protocol: "tcp" | "tls";
  readonly socket: Pick<ConnectionSocket, "destroy" | "once" | "remoteAddress" | "remotePort">;
  readonly settings: { readonly clock: Clock; readonly goawayPingTimeoutMs: number };
  readonly observer: ConnectionObserver;
}

/** A connection whose protocol is not settled. When it is, a connection of that protocol takes its place. */
export class Handshake implements Connection {
  readonly #init: HandshakeInit;
  readonly #openedAt: number;
  #timeout: Timer | undefined;
  #ended = false;

  constructor(init: HandshakeInit) {
    this.#init = init;
    this.#openedAt = init.settings.clock.now();
    init.socket.once("close", () => this.end());
  }

  snapshot(): ConnectionSnapshot {
    return {
      id: this.#init.id,
      protocol: this.#init.protocol,
      ...remoteOf(this.#init.socket),
      state: "handshake",
      ageMs: Math.round(this.#init.settings.clock.now() - this.#openedAt),
      openStreams: 0,
      streams: 0,
      goawaysSent: 0,
    };
  }

  retire(cause: RetireCause): void {
    if (cause !== "shutdown" || this.#timeout !== undefined) return;
    const { clock, goawayPingTimeoutMs } = this.#init.settings;
    // a connection that stays silent must not hold the shutdown
    this.#timeout = setTimeoutAfterPoll(clock, () => this.destroy(), goawayPingTimeoutMs);
  }

  review(): void {}

  destroy(): void {
    this.#init.socket.destroy();
  }

  /** The protocol is settled, or the socket closed. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timeout?.cancel();
    this.#init.observer.onClose(this);
  }
}
