import type { ServerHttp2Session } from "node:http2";
import type { Clock, Timer } from "../clock.ts";
import { goawayNotice } from "../wire/goaway-notice.ts";
import type { Wire } from "../wire/wire.ts";
import { afterPoll, setTimeoutAfterPoll } from "./after-poll.ts";
import type { ConnectionSocket, NoticeOutcome } from "./connection.ts";

const firstRetryMs = 1;
const longestRetryMs = 16;

/** How long the peer may take to read the last bytes when no stream is left, and to send its FIN after ours. */
const lingerMs = 5_000;

export interface RetirementSettings {
  readonly maxConnectionAgeGraceMs: number;
  readonly goawayNoticeTimeoutMs: number;
  readonly goawayPingTimeoutMs: number;
  readonly clock: Clock;
}

export interface RetirementInit {
  readonly session: Pick<ServerHttp2Session, "closed" | "destroyed" | "ping" | "close">;
  readonly socket: ConnectionSocket;
  readonly wire: Wire;
  readonly settings: RetirementSettings;
  openStreams(): number;
  /** A GOAWAY is out. */
  onGoaway(): void;
  /** The final one is about to be. */
  onDraining(notice: NoticeOutcome): void;
  /** Streams have outlasted `maxConnectionAgeGraceMs`. */
  onGraceOver(): void;
}

/**
 * The end of an HTTP/2 connection in two phases (RFC 9113, section 6.8): a GOAWAY that announces the end while every
 * stream is still accepted, a PING whose answer proves that the client has read it, and only then the GOAWAY with the
 * last stream's id. Streams finish, then the socket ends.
 */
export class Retirement {
  readonly #init: RetirementInit;
  readonly #settings: RetirementSettings;
  #phase: "announcing" | "draining" | "over" = "announcing";
  #grace: Timer | undefined;
  /** What the phase waits for: the next attempt at the notice, the PING's answer, or the socket's end. */
  #wait: Timer | undefined;

  constructor(init: RetirementInit) {
    this.#init = init;
    this.#settings = init.settings;
  }

  /** Begins with the notice. */
  announce(): void {
    this.#sendNotice(this.#settings.clock.now() + this.#settings.goawayNoticeTimeoutMs, firstRetryMs);
  }

  /** Goes on to the final GOAWAY, when that is still to come. */
  drain(notice: NoticeOutcome): void {
    if (this.#phase !== "announcing") return;
    this.#phase = "draining";
    this.#wait?.cancel();
    this.goawaySent();
    this.#init.onDraining(notice);
    if (!this.#sessionIsClosing()) this.#init.session.close();
    this.review();
  }

  /** The grace counts from the first one. */
  goawaySent(): void {
    this.#init.onGoaway();
    const { clock, maxConnectionAgeGraceMs } = this.#settings;
    if (this.#grace !== undefined || maxConnectionAgeGraceMs === Number.POSITIVE_INFINITY) return;
    this.#grace = setTimeoutAfterPoll(clock, () => this.#init.onGraceOver(), maxConnectionAgeGraceMs);
  }

  /** A stream, or our side of the connection, has ended. */
  review(): void {
    if (this.#phase === "draining" && this.#init.openStreams() === 0) this.#linger();
  }

  /** The socket is closed. */
  stop(): void {
    this.#phase = "over";
    this.#grace?.cancel();
    this.#wait?.cancel();
  }

  #sendNotice(giveUpAt: number, retryMs: number, isLast = false): void {
    if (this.#sessionIsClosing()) {
      this.drain({ kind: "needless" });
      return;
    }
    const injection = this.#init.wire.inject(goawayNotice);
    if (injection.kind === "written") {
      this.goawaySent();
      this.#awaitPing();
      return;
    }
    if (injection.kind === "unsupported" || isLast) {
      this.drain(injection);
      return;
    }
    const { clock } = this.#settings;
    const leftMs = giveUpAt - clock.now();
    this.#wait =
      leftMs > 0
        ? clock.setTimeout(
            () => this.#sendNotice(giveUpAt, Math.min(2 * retryMs, longestRetryMs)),
            Math.min(retryMs, leftMs),
          )
        : afterPoll(() => this.#sendNotice(giveUpAt, retryMs, true));
  }

  #awaitPing(): void {
    const { clock, goawayPingTimeoutMs } = this.#settings;
    this.#wait = setTimeoutAfterPoll(clock, () => this.drain({ kind: "unanswered" }), goawayPingTimeoutMs);
    // the callback gets an error when the session ends, or has too many PINGs under way: the timer decides then
    this.#init.session.ping((error) => {
      if (error === null) this.drain({ kind: "acknowledged" });
    });
  }

  /**
   * A peer that goes on reading what is left has all the time it needs; one that does not would hold the socket. When
   * the kernel has taken all that is left, the peer's WINDOW_UPDATEs still show that it reads.
   */
  #linger(): void {
    this.#wait?.cancel();
    const { wire, socket } = this.#init;
    const { unsentBytes } = wire;
    const { bytesRead } = socket;
    const decide = (): void => {
      const left = wire.unsentBytes;
      if ((left > 0 && left !== unsentBytes) || socket.bytesRead !== bytesRead) this.#linger();
      else socket.destroy();
    };
    this.#wait = setTimeoutAfterPoll(this.#settings.clock, decide, lingerMs);
  }

  /** A closing session has sent its final GOAWAY. PING on a destroyed one throws. */
  #sessionIsClosing(): boolean {
    return this.#init.session.closed || this.#init.session.destroyed;
  }
}
