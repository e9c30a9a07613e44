import type { Clock, Timer } from "../clock.ts";

export interface IdlenessSettings {
  readonly maxConnectionIdleMs: number;
  readonly clock: Clock;
}

/**
 * Counts the streams that are open, and tells when there was none for `maxConnectionIdleMs`. node's
 * `session.setTimeout()` does not: it fires with streams open on which nothing moves.
 */
export class Idleness {
  readonly #settings: IdlenessSettings;
  readonly #onIdle: () => void;
  #openStreams = 0;
  #idleSince: number;
  /** Set for as long as the connection may become too idle; busy ones leave it running, which costs a stream nothing. */
  #timer: Timer | undefined;
  #stopped = false;

  constructor(settings: IdlenessSettings, onIdle: () => void) {
    this.#settings = settings;
    this.#onIdle = onIdle;
    this.#idleSince = settings.clock.now();
    this.review();
  }

  get openStreams(): number {
    return this.#openStreams;
  }

  begin(): void {
    this.#openStreams++;
  }

  end(): void {
    this.#openStreams--;
    if (this.#openStreams > 0) return;
    this.#idleSince = this.#settings.clock.now(); // also without a limit: one may be set later
    if (this.#timer === undefined) this.review();
  }

  /** Looks whether it is idle for too long by now, and when to look again. */
  review(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock, maxConnectionIdleMs } = this.#settings;
    // the end of the last stream comes back to this
    if (this.#stopped || this.#openStreams > 0 || maxConnectionIdleMs === Number.POSITIVE_INFINITY) return;
    const left = this.#idleSince + maxConnectionIdleMs - clock.now();
    if (left <= 0) this.#onIdle();
    else this.#timer = clock.setTimeout(() => this.review(), left);
  }

  /** From now on it only counts. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
