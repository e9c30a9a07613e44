import type { Clock, Timer } from "@evenkeel/core";
import { afterPoll } from "./after-poll.ts";

/** Keepalive as in gRFC A8. All times in milliseconds. */
export interface KeepaliveOptions {
  /** Without a byte of the peer, until it is pinged; `Infinity` sends no pings. */
  readonly pingIntervalMs: number;
  /** Whether connections without a stream are pinged too. */
  readonly pingIdleConnection: boolean;
  /** A connection of which nothing is heard for so long after a ping is dead. */
  readonly pingTimeoutMs: number;
}

export interface PingTarget {
  /** Sends a ping; any byte of the peer answers it. */
  ping(): void;
  hasStreams(): boolean;
  /** A ping was not answered in time. */
  dead(): void;
}

/** Pings a connection that was not heard for a while and finds it dead when it does not answer. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #clock: Clock;
  readonly #target: PingTarget;
  #timer: Timer | undefined;
  #heardAt: number;
  #isPinged = false;

  constructor(options: KeepaliveOptions, clock: Clock, target: PingTarget) {
    this.#options = options;
    this.#clock = clock;
    this.#target = target;
    this.#heardAt = clock.now();
    if (options.pingIntervalMs !== Number.POSITIVE_INFINITY) this.#wait(options.pingIntervalMs);
  }

  /** Something was read. The answer to a ping may be far behind a large response: whatever comes is life. */
  heard(): void {
    if (this.#timer === undefined) return;
    this.#heardAt = this.#clock.now();
    if (!this.#isPinged) return;
    this.#isPinged = false;
    this.#timer.cancel();
    this.#wait(this.#options.pingIntervalMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#look(), ms);
  }

  #look(): void {
    const { pingIntervalMs, pingIdleConnection } = this.#options;
    const leftMs = this.#heardAt + pingIntervalMs - this.#clock.now();
    if (leftMs > 0) this.#wait(leftMs);
    else if (this.#target.hasStreams() || pingIdleConnection) this.#ping();
    else this.#wait(pingIntervalMs);
  }

  #ping(): void {
    const onTimeout = (): void =>
      afterPoll(() => {
        if (this.#timer === timeout) this.#target.dead();
      });
    const timeout: Timer = this.#clock.setTimeout(onTimeout, this.#options.pingTimeoutMs);
    this.#timer = timeout;
    this.#isPinged = true;
    this.#target.ping();
  }
}
