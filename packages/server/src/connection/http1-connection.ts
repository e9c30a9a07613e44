import type { ServerResponse } from "node:http";
import type { Timer } from "../clock.ts";
import { setTimeoutAfterPoll } from "./after-poll.ts";
import {
  type CloseCause,
  type Connection,
  type ConnectionObserver,
  type ConnectionSnapshot,
  type ConnectionSocket,
  type RetireCause,
  remoteOf,
} from "./connection.ts";
import { MaxAge, type MaxAgeSettings } from "./max-age.ts";

/** In a shutdown, a connection without a request for so long is closed. */
const idleGraceMs = 5_000;

export interface Http1ConnectionInit {
  readonly id: number;
  readonly socket: Pick<ConnectionSocket, "bytesRead" | "destroy" | "once" | "remoteAddress" | "remotePort">;
  readonly settings: Http1ConnectionSettings;
  readonly observer: ConnectionObserver;
}

export interface Http1ConnectionSettings extends MaxAgeSettings {
  readonly maxConnectionAgeGraceMs: number;
  readonly maxRequestsPerConnection: number;
}

/**
 * An HTTP/1.1 connection. Its client is free to send a request at any time until it is told otherwise, and only a
 * response can tell it: the next one says `Connection: close` (RFC 9112, section 9.6), after which node ends the
 * connection. To close it while it is idle would lose a request that is on its way.
 */
export class Http1Connection implements Connection {
  readonly #init: Http1ConnectionInit;
  readonly #settings: Http1ConnectionSettings;
  readonly #remote: { readonly remote?: string };
  readonly #openedAt: number;
  readonly #age: MaxAge;
  #state: "ready" | "retiring" | "closed" = "ready";
  #requests = 0;
  /** To the requests that are under way. */
  readonly #responses = new Set<ServerResponse>();
  /** Of the request that came last. Pipelined ones before it must not be told to be the last. */
  #lastResponse: ServerResponse | undefined;
  #upgraded = false;
  #closesWhenIdle = false;
  #destroyCause: "graceOver" | "forced" | undefined;
  #grace: Timer | undefined;
  #idle: Timer | undefined;

  constructor(init: Http1ConnectionInit) {
    this.#init = init;
    this.#settings = init.settings;
    this.#remote = remoteOf(init.socket);
    this.#openedAt = init.settings.clock.now();
    this.#age = new MaxAge(init.settings, () => this.retire("maxAge"));
    this.#report({ type: "opened" });
    init.socket.once("close", () => this.#onClose());
  }

  snapshot(): ConnectionSnapshot {
    return {
      id: this.#init.id,
      protocol: "http/1.1",
      ...this.#remote,
      state: this.#state,
      ageMs: Math.round(this.#settings.clock.now() - this.#openedAt),
      openStreams: this.#responses.size + (this.#upgraded ? 1 : 0),
      streams: this.#requests,
      goawaysSent: 0,
    };
  }

  review(): void {
    if (this.#state === "ready") this.#age.review();
  }

  /** A request has arrived, or is emitted anew by the program, as it does after `writeContinue()`. */
  begin(response: ServerResponse): void {
    if (this.#responses.has(response)) return;
    this.#requests++;
    this.#responses.add(response);
    this.#idle?.cancel();
    response.once("close", () => this.#end(response));
    const earlier = this.#lastResponse;
    this.#lastResponse = response;
    if (this.#state === "ready" && this.#requests >= this.#settings.maxRequestsPerConnection) {
      this.retire("maxRequests");
    } else if (this.#state === "retiring") {
      if (earlier?.headersSent === false) earlier.removeHeader("connection");
      this.#sayClose();
      this.#startGrace();
    }
  }

  /** It has become a connection of another protocol, such as WebSocket, which the program or its client ends. */
  upgrade(): void {
    this.#upgraded = true;
    this.#requests++;
    this.#age.stop();
    this.#grace?.cancel();
    this.#idle?.cancel();
  }

  retire(cause: RetireCause): void {
    if (this.#upgraded) return;
    if (this.#state === "ready") {
      this.#state = "retiring";
      this.#age.stop();
      this.#report({ type: "retiring", cause });
      this.#sayClose();
      this.#startGrace();
    }
    if (cause !== "shutdown") return;
    this.#closesWhenIdle = true;
    this.#closeWhenIdle();
  }

  destroy(cause: "graceOver" | "forced"): void {
    if (this.#state === "closed") return;
    this.#destroyCause = cause;
    this.#init.socket.destroy();
  }

  #sayClose(): void {
    if (this.#lastResponse?.headersSent === false) this.#lastResponse.setHeader("connection", "close");
  }

  #startGrace(): void {
    const { clock, maxConnectionAgeGraceMs } = this.#settings;
    this.#grace?.cancel();
    if (maxConnectionAgeGraceMs === Number.POSITIVE_INFINITY) return;
    this.#grace = setTimeoutAfterPoll(clock, () => this.destroy("graceOver"), maxConnectionAgeGraceMs);
  }

  #end(response: ServerResponse): void {
    this.#responses.delete(response);
    if (this.#responses.size > 0) return;
    this.#lastResponse = undefined;
    if (this.#closesWhenIdle) this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#isBusy() || this.#state === "closed") return; // the end of the last one comes back to this
    this.#idle?.cancel();
    const { bytesRead } = this.#init.socket;
    const decide = (): void => {
      // a request that has begun to arrive is not lost either
      if (this.#init.socket.bytesRead === bytesRead) this.#init.socket.destroy();
      else this.#closeWhenIdle();
    };
    this.#idle = setTimeoutAfterPoll(this.#settings.clock, decide, idleGraceMs);
  }

  #isBusy(): boolean {
    return this.#responses.size > 0 || this.#upgraded;
  }

  #onClose(): void {
    const cause: CloseCause = this.#destroyCause ?? (this.#state === "ready" ? "other" : "retired");
    this.#state = "closed";
    this.#age.stop();
    this.#grace?.cancel();
    this.#idle?.cancel();
    this.#report({ type: "closed", cause });
    this.#init.observer.onClose(this);
  }

  #report(
    event:
      | { readonly type: "opened" }
      | { readonly type: "retiring"; readonly cause: RetireCause }
      | { readonly type: "closed"; readonly cause: CloseCause },
  ): void {
    this.#init.observer.onChange({ ...event, connection: this.snapshot() });
  }
}
