import type { ServerHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { type Clock, maxDelayMs, type Random, type Timer } from "../clock.ts";
import { goawayNotice } from "../wire/goaway-notice.ts";
import type { Wire } from "../wire/wire.ts";
import {
  type CloseCause,
  type Connection,
  type ConnectionObserver,
  type ConnectionSnapshot,
  type ConnectionState,
  type NoticeOutcome,
  type RetireCause,
  remoteOf,
} from "./connection.ts";

const ageJitter = 0.1;
const firstRetryMs = 1;
const longestRetryMs = 16;

/** After our FIN the peer has this long to send its own. */
const lingerMs = 5_000;

export interface Http2ConnectionInit {
  readonly id: number;
  readonly protocol: "h2" | "h2c";
  readonly session: Pick<ServerHttp2Session, "closed" | "destroyed" | "ping" | "close" | "on">;
  /** The socket below the session, whose end is the connection's. */
  readonly socket: Duplex & { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined };
  readonly wire: Wire;
  readonly settings: Http2ConnectionSettings;
  readonly observer: ConnectionObserver;
}

export interface Http2ConnectionSettings {
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
  readonly goawayNoticeTimeoutMs: number;
  readonly goawayPingTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * An HTTP/2 connection and its end in two phases (RFC 9113, section 6.8): a GOAWAY that announces the end while every
 * stream is still accepted, a PING whose answer proves that the client has read it, and only then the GOAWAY with the
 * last stream's id. Streams finish, then the socket ends.
 */
export class Http2Connection implements Connection {
  readonly #init: Http2ConnectionInit;
  readonly #settings: Http2ConnectionSettings;
  readonly #remote: { readonly remote?: string };
  readonly #openedAt: number;
  #state: ConnectionState = "ready";
  #openStreams = 0;
  #goawaysSent = 0;
  #destroyCause: "graceOver" | "forced" | undefined;
  #age: Timer | undefined;
  #grace: Timer | undefined;
  /** Of the present phase: the next attempt at the notice, the wait for the PING's answer, or for the peer's FIN. */
  #step: Timer | undefined;

  constructor(init: Http2ConnectionInit) {
    this.#init = init;
    this.#settings = init.settings;
    this.#remote = remoteOf(init.socket);
    const { clock, random, maxConnectionAgeMs } = init.settings;
    this.#openedAt = clock.now();
    const onStreamClose = () => {
      this.#openStreams--;
    };
    init.session.on("stream", (stream) => {
      this.#openStreams++;
      stream.on("close", onStreamClose);
    });
    init.socket.once("finish", () => this.#onFinish());
    init.socket.once("close", () => this.#onClose());
    if (maxConnectionAgeMs !== Number.POSITIVE_INFINITY) {
      const age = maxConnectionAgeMs * (1 - ageJitter + 2 * ageJitter * random());
      this.#age = clock.setTimeout(() => this.retire("maxAge"), Math.min(age, maxDelayMs));
    }
    this.#report({ type: "opened" });
  }

  snapshot(): ConnectionSnapshot {
    return {
      id: this.#init.id,
      protocol: this.#init.protocol,
      ...this.#remote,
      state: this.#state,
      ageMs: Math.round(this.#settings.clock.now() - this.#openedAt),
      openStreams: this.#openStreams,
      goawaysSent: this.#goawaysSent,
    };
  }

  retire(cause: RetireCause): void {
    if (this.#state !== "ready") return;
    this.#state = "retiring";
    this.#age?.cancel();
    this.#report({ type: "retiring", cause });
    this.#sendNotice(this.#settings.clock.now() + this.#settings.goawayNoticeTimeoutMs, firstRetryMs);
  }

  destroy(cause: "graceOver" | "forced"): void {
    if (this.#state === "closed") return;
    this.#destroyCause = cause;
    // not session.destroy(): with a stuck stream it leaves the socket open
    this.#init.socket.destroy();
  }

  #sendNotice(giveUpAt: number, retryMs: number): void {
    if (this.#sessionIsClosing()) {
      this.#drain({ kind: "needless" });
      return;
    }
    const injection = this.#init.wire.inject(goawayNotice);
    switch (injection.kind) {
      case "written":
        this.#onGoaway();
        this.#awaitPing();
        return;
      case "unsupported":
        this.#drain(injection);
        return;
      case "busy": {
        const leftMs = giveUpAt - this.#settings.clock.now();
        if (leftMs <= 0) {
          this.#drain(injection);
          return;
        }
        const nextRetryMs = Math.min(2 * retryMs, longestRetryMs);
        this.#step = this.#settings.clock.setTimeout(
          () => this.#sendNotice(giveUpAt, nextRetryMs),
          Math.min(retryMs, leftMs),
        );
      }
    }
  }

  #awaitPing(): void {
    this.#step = this.#settings.clock.setTimeout(
      () => this.#drain({ kind: "unanswered" }),
      this.#settings.goawayPingTimeoutMs,
    );
    // the callback gets an error when the session ends, or has too many PINGs under way: the timer decides then
    this.#init.session.ping((error) => {
      if (error === null) this.#drain({ kind: "acknowledged" });
    });
  }

  #drain(notice: NoticeOutcome): void {
    if (this.#state !== "retiring") return;
    this.#state = "draining";
    this.#step?.cancel();
    this.#onGoaway();
    this.#report({ type: "draining", notice });
    if (!this.#sessionIsClosing()) this.#init.session.close();
  }

  /** A closing session has sent its final GOAWAY. PING on a destroyed one throws. */
  #sessionIsClosing(): boolean {
    return this.#init.session.closed || this.#init.session.destroyed;
  }

  #onGoaway(): void {
    this.#goawaysSent++;
    const { clock, maxConnectionAgeGraceMs } = this.#settings;
    if (this.#goawaysSent > 1 || maxConnectionAgeGraceMs === Number.POSITIVE_INFINITY) return;
    this.#grace = clock.setTimeout(() => this.destroy("graceOver"), maxConnectionAgeGraceMs);
  }

  #onFinish(): void {
    if (this.#state !== "draining") return;
    this.#step = this.#settings.clock.setTimeout(() => this.#init.socket.destroy(), lingerMs);
  }

  #onClose(): void {
    const cause: CloseCause = this.#destroyCause ?? (this.#state === "ready" ? "other" : "retired");
    this.#state = "closed";
    this.#age?.cancel();
    this.#grace?.cancel();
    this.#step?.cancel();
    this.#report({ type: "closed", cause });
    this.#init.observer.onClose(this);
  }

  #report(
    event:
      | { readonly type: "opened" }
      | { readonly type: "retiring"; readonly cause: RetireCause }
      | { readonly type: "draining"; readonly notice: NoticeOutcome }
      | { readonly type: "closed"; readonly cause: CloseCause },
  ): void {
    this.#init.observer.onEvent({ ...event, connection: this.snapshot() });
  }
}
