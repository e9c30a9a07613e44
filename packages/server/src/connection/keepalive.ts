import type { Clock, Timer } from "../clock.ts";
import { setTimeoutAfterPoll } from "./after-poll.ts";

export interface KeepaliveSettings {
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly clock: Clock;
}

/** What keepalive sees and does of its connection. */
export interface KeepaliveLink {
  /** Bytes read from the peer so far. */
  bytesRead(): number;
  /** @returns false where none can be sent, so that silence proves nothing */
  sendPing(): boolean;
  /** The peer has been silent since the PING. */
  onDead(): void;
}

/**
 * Finds peers that are gone without a word (gRFC A8): a PING when nothing was read for `keepaliveTimeMs`, and the end
 * when nothing was read after it, not even its answer. Looks at a counter now and then instead of at every frame. A peer
 * that cannot be sent a PING, since node sends none after the final GOAWAY, is left to the limits of the retirement.
 */
export class Keepalive {
  readonly #settings: KeepaliveSettings;
  readonly #link: KeepaliveLink;
  #bytesSeen = 0;
  /** The `keepaliveTimeMs` that the present wait began with. */
  #timeMs: number | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(settings: KeepaliveSettings, link: KeepaliveLink) {
    this.#settings = settings;
    this.#link = link;
    this.review();
  }

  /** The settings may have changed: a wait begins anew with another `keepaliveTimeMs`, and goes on with the same. */
  review(): void {
    if (this.#settings.keepaliveTimeMs !== this.#timeMs) this.#watch();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #watch(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stopped) return;
    const { keepaliveTimeMs, clock } = this.#settings;
    this.#timeMs = keepaliveTimeMs;
    if (keepaliveTimeMs === Number.POSITIVE_INFINITY) return;
    this.#bytesSeen = this.#link.bytesRead();
    this.#timer = clock.setTimeout(() => {
      if (this.#hasRead()) this.#watch();
      else this.#ping();
    }, keepaliveTimeMs);
  }

  #ping(): void {
    if (!this.#link.sendPing()) {
      this.#watch();
      return;
    }
    const { clock, keepaliveTimeoutMs } = this.#settings;
    const decide = (): void => {
      if (this.#hasRead()) this.#watch();
      else this.#link.onDead();
    };
    this.#timer = setTimeoutAfterPoll(clock, decide, keepaliveTimeoutMs);
  }

  #hasRead(): boolean {
    return this.#link.bytesRead() !== this.#bytesSeen;
  }
}
