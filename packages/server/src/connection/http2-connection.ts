import { constants, type ServerHttp2Session } from "node:http2";
import type { Timer } from "../clock.ts";
import { goawayNotice } from "../wire/goaway-notice.ts";
import type { Wire } from "../wire/wire.ts";
import { afterPoll } from "./after-poll.ts";
import {
  type CloseCause,
  type Connection,
  type ConnectionObserver,
  type ConnectionSnapshot,
  type ConnectionSocket,
  type ConnectionState,
  type NoticeOutcome,
  type RetireCause,
  remoteOf,
} from "./connection.ts";
import { Idleness, type IdlenessSettings } from "./idleness.ts";
import { Keepalive, type KeepaliveSettings } from "./keepalive.ts";
import { MaxAge, type MaxAgeSettings } from "./max-age.ts";
import { PingPolicy, type PingPolicySettings } from "./ping-policy.ts";

const firstRetryMs = 1;
const longestRetryMs = 16;

/** How long the peer may take to read the last bytes when no stream is left, and to send its FIN after ours. */
const lingerMs = 5_000;

type Session = Pick<
  ServerHttp2Session,
  | "closed"
  | "destroyed"
  | "state"
  | "pendingSettingsAck"
  | "ping"
  | "goaway"
  | "settings"
  | "close"
  | "on"
  | "prependListener"
>;

export interface Http2ConnectionInit {
  readonly id: number;
  readonly protocol: "h2" | "h2c";
  readonly session: Session;
  /** The socket below the session, whose end is the connection's. */
  readonly socket: ConnectionSocket;
  readonly wire: Wire;
  readonly settings: Http2ConnectionSettings;
  readonly observer: ConnectionObserver;
}

export interface Http2ConnectionSettings
  extends MaxAgeSettings,
    IdlenessSettings,
    KeepaliveSettings,
    PingPolicySettings {
  readonly maxConnectionAgeGraceMs: number;
  readonly maxConcurrentStreams: number;
  readonly goawayNoticeTimeoutMs: number;
  readonly goawayPingTimeoutMs: number;
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
  readonly #age: MaxAge;
  readonly #idleness: Idleness;
  readonly #keepalive: Keepalive;
  readonly #pingPolicy: PingPolicy;
  #state: ConnectionState = "ready";
  #streams = 0;
  #goawaysSent = 0;
  /** Of those of keepalive. */
  #pingsAnswered = 0;
  #maxConcurrentStreams: number;
  #destroyCause: "graceOver" | "keepaliveTimeout" | "forced" | undefined;
  #grace: Timer | undefined;
  /** Of the present phase: the next attempt at the notice, the wait for the PING's answer, or for the socket's end. */
  #step: Timer | undefined;

  constructor(init: Http2ConnectionInit) {
    const { session, socket, settings } = init;
    this.#init = init;
    this.#settings = settings;
    this.#remote = remoteOf(socket);
    this.#openedAt = settings.clock.now();
    this.#maxConcurrentStreams = settings.maxConcurrentStreams;
    this.#age = new MaxAge(settings, () => this.retire("maxAge"));
    this.#idleness = new Idleness(settings, () => this.retire("idle"));
    this.#pingPolicy = new PingPolicy(settings);
    this.#keepalive = new Keepalive(settings, {
      bytesRead: () => socket.bytesRead ?? this.#pingsAnswered,
      sendPing: () => this.#sendKeepalivePing(),
      onDead: () => this.#destroy("keepaliveTimeout"),
    });
    const onStreamClose = () => this.#onStreamClose();
    // before those of the program, of which one may throw
    session.prependListener("stream", (stream) => {
      this.#streams++;
      this.#idleness.begin();
      stream.on("close", onStreamClose);
    });
    session.on("ping", () => this.#onPing());
    session.on("remoteSettings", () => this.#pingPolicy.onSettings());
    session.on("localSettings", () => {
      if (this.#state === "ready") this.#announceMaxConcurrentStreams();
    });
    socket.once("finish", () => {
      if (this.#state === "draining") this.#linger();
    });
    socket.once("close", () => this.#onClose());
    this.#report({ type: "opened" });
  }

  snapshot(): ConnectionSnapshot {
    return {
      id: this.#init.id,
      protocol: this.#init.protocol,
      ...this.#remote,
      state: this.#state,
      ageMs: Math.round(this.#settings.clock.now() - this.#openedAt),
      openStreams: this.#idleness.openStreams,
      streams: this.#streams,
      goawaysSent: this.#goawaysSent,
    };
  }

  review(): void {
    this.#keepalive.review();
    if (this.#state !== "ready") return;
    this.#age.review();
    this.#idleness.review();
    this.#announceMaxConcurrentStreams();
  }

  retire(cause: RetireCause): void {
    if (this.#state !== "ready") return;
    this.#beginRetirement(cause);
    this.#sendNotice(this.#settings.clock.now() + this.#settings.goawayNoticeTimeoutMs, firstRetryMs);
  }

  destroy(cause: "graceOver" | "forced"): void {
    this.#destroy(cause);
  }

  #destroy(cause: "graceOver" | "keepaliveTimeout" | "forced"): void {
    if (this.#state === "closed") return;
    this.#destroyCause = cause;
    // not session.destroy(): with a stuck stream it leaves the socket open
    this.#init.socket.destroy();
  }

  #announceMaxConcurrentStreams(): void {
    const { maxConcurrentStreams } = this.#settings;
    if (maxConcurrentStreams === this.#maxConcurrentStreams || this.#sessionIsClosing()) return;
    // with ten of them unacknowledged node destroys the session; the acknowledgement comes back to this
    if (this.#init.session.pendingSettingsAck) return;
    this.#maxConcurrentStreams = maxConcurrentStreams;
    this.#init.session.settings({ maxConcurrentStreams: Math.min(maxConcurrentStreams, 2 ** 32 - 1) });
  }

  #beginRetirement(cause: RetireCause): void {
    this.#state = "retiring";
    this.#age.stop();
    this.#idleness.stop();
    this.#report({ type: "retiring", cause });
  }

  #sendNotice(giveUpAt: number, retryMs: number, isLast = false): void {
    if (this.#state !== "retiring") return;
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
        if (isLast) {
          this.#drain(injection);
          return;
        }
        if (leftMs <= 0) {
          afterPoll(() => this.#sendNotice(giveUpAt, retryMs, true));
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
      () => afterPoll(() => this.#drain({ kind: "unanswered" })),
      this.#settings.goawayPingTimeoutMs,
    );
    // the callback gets an error when the session ends, or has too many PINGs under way: the timer decides then
    this.#init.session.ping((error) => {
      if (error === null) this.#drain({ kind: "acknowledged" });
    });
  }

  #onPing(): void {
    const { session, socket } = this.#init;
    const tooMany = this.#pingPolicy.onPing(socket.bytesWritten);
    if (!tooMany || this.#state !== "ready" || this.#sessionIsClosing()) return;
    this.#beginRetirement("tooManyPings");
    session.goaway(
      constants.NGHTTP2_ENHANCE_YOUR_CALM,
      session.state.lastProcStreamID ?? 0,
      Buffer.from("too_many_pings"),
    );
    this.#onGoaway();
    this.#drain({ kind: "needless" });
  }

  #drain(notice: NoticeOutcome): void {
    if (this.#state !== "retiring") return;
    this.#state = "draining";
    this.#step?.cancel();
    this.#onGoaway();
    this.#report({ type: "draining", notice });
    if (!this.#sessionIsClosing()) this.#init.session.close();
    if (this.#idleness.openStreams === 0) this.#linger();
  }

  #sendKeepalivePing(): void {
    const { session } = this.#init;
    if (session.destroyed) return;
    session.ping((error) => {
      if (error === null) this.#pingsAnswered++;
    });
  }

  /** A closing session has sent its final GOAWAY. PING on a destroyed one throws. */
  #sessionIsClosing(): boolean {
    return this.#init.session.closed || this.#init.session.destroyed;
  }

  #onGoaway(): void {
    this.#goawaysSent++;
    const { clock, maxConnectionAgeGraceMs } = this.#settings;
    if (this.#goawaysSent > 1 || maxConnectionAgeGraceMs === Number.POSITIVE_INFINITY) return;
    this.#grace = clock.setTimeout(() => afterPoll(() => this.destroy("graceOver")), maxConnectionAgeGraceMs);
  }

  #onStreamClose(): void {
    this.#idleness.end();
    if (this.#state === "draining" && this.#idleness.openStreams === 0) this.#linger();
  }

  /**
   * A peer that goes on reading what is left has all the time it needs; one that does not would hold the socket. When
   * the kernel has taken all that is left, the peer's WINDOW_UPDATEs still show that it reads.
   */
  #linger(): void {
    this.#step?.cancel();
    const { wire, socket } = this.#init;
    const { unsentBytes } = wire;
    const { bytesRead } = socket;
    const timer = this.#settings.clock.setTimeout(
      () =>
        afterPoll(() => {
          if (this.#state === "closed" || this.#step !== timer) return;
          const left = wire.unsentBytes;
          if ((left > 0 && left !== unsentBytes) || socket.bytesRead !== bytesRead) this.#linger();
          else socket.destroy();
        }),
      lingerMs,
    );
    this.#step = timer;
  }

  #onClose(): void {
    const cause: CloseCause = this.#destroyCause ?? (this.#state === "ready" ? "other" : "retired");
    this.#state = "closed";
    this.#age.stop();
    this.#idleness.stop();
    this.#keepalive.stop();
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
    this.#init.observer.onChange({ ...event, connection: this.snapshot() });
  }
}
