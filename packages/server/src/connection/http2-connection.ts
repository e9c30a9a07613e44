import { constants, type ServerHttp2Session } from "node:http2";
import type { Wire } from "../wire/wire.ts";
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
import { Retirement, type RetirementSettings } from "./retirement.ts";

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
    PingPolicySettings,
    RetirementSettings {
  readonly maxConcurrentStreams: number;
}

/** An HTTP/2 connection: counts its streams, and decides when it retires. */
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
  #retirement: Retirement | undefined;

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
    const onStreamClose = (): void => {
      this.#idleness.end();
      this.#retirement?.review();
    };
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
    socket.once("finish", () => this.#retirement?.review());
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
    if (this.#state === "ready") this.#beginRetirement(cause).announce();
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

  #beginRetirement(cause: RetireCause): Retirement {
    const { session, socket, wire } = this.#init;
    this.#state = "retiring";
    this.#age.stop();
    this.#idleness.stop();
    this.#report({ type: "retiring", cause });
    this.#retirement = new Retirement({
      ...{ session, socket, wire, settings: this.#settings },
      openStreams: () => this.#idleness.openStreams,
      onGoaway: () => {
        this.#goawaysSent++;
      },
      onDraining: (notice) => {
        this.#state = "draining";
        this.#report({ type: "draining", notice });
      },
      onGraceOver: () => this.#destroy("graceOver"),
    });
    return this.#retirement;
  }

  #onPing(): void {
    const { session, socket } = this.#init;
    const tooMany = this.#pingPolicy.onPing(socket.bytesWritten);
    if (!tooMany || this.#state !== "ready" || this.#sessionIsClosing()) return;
    const retirement = this.#beginRetirement("tooManyPings");
    session.goaway(
      constants.NGHTTP2_ENHANCE_YOUR_CALM,
      session.state.lastProcStreamID ?? 0,
      Buffer.from("too_many_pings"),
    );
    retirement.goawaySent();
    retirement.drain({ kind: "needless" });
  }

  /** A destroyed session has nothing to wait for: its socket should be gone. */
  #sendKeepalivePing(): boolean {
    const { session } = this.#init;
    if (session.destroyed) return true;
    if (session.closed) return false; // node would send none
    session.ping((error) => {
      if (error === null) this.#pingsAnswered++;
    });
    return true;
  }

  #sessionIsClosing(): boolean {
    return this.#init.session.closed || this.#init.session.destroyed;
  }

  #onClose(): void {
    const cause: CloseCause = this.#destroyCause ?? (this.#state === "ready" ? "other" : "retired");
    this.#state = "closed";
    this.#age.stop();
    this.#idleness.stop();
    this.#keepalive.stop();
    this.#retirement?.stop();
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
