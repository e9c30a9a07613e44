import type { Clock, Timer } from "@evenkeel/core";
import { afterPoll } from "./after-poll.ts";

/** Keepalive as in gRFC A8. All times in milliseconds. */
export interface KeepaliveOptions {
  /** Between two pings; `Infinity` sends none. */
  readonly pingIntervalMs: number;
  /** Whether connections without a stream are pinged too. */
  readonly pingIdleConnection: boolean;
  /** A connection whose ping is not answered for so long is dead. */
  readonly pingTimeoutMs: number;
}

export interface PingTarget {
  /** Sends a ping and calls `acknowledged` at its answer. */
  ping(acknowledged: () => void): void;
  hasStreams(): boolean;
  /** A ping was not answered in time. */
  dead(): void;
}

/** Pings a connection at regular times and finds it dead when it does not answer. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #clock: Clock;
  readonly #target: PingTarget;
  #timer: Timer | undefined;

  constructor(options: KeepaliveOptions, clock: Clock, target: PingTarget) {
    this.#options = options;
    this.#clock = clock;
    this.#target = target;
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    if (this.#options.pingIntervalMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.setTimeout(() => this.#ping(), this.#options.pingIntervalMs);
  }

  #ping(): void {
    if (!this.#target.hasStreams() && !this.#options.pingIdleConnection) {
      this.#wait();
      return;
    }
    const onTimeout = (): void =>
      afterPoll(() => {
        if (this.#timer === timeout) this.#target.dead();
      });
    const timeout: Timer = this.#clock.setTimeout(onTimeout, this.#options.pingTimeoutMs);
    this.#timer = timeout;
    this.#target.ping(() => {
      if (this.#timer !== timeout) return;
      timeout.cancel();
      this.#wait();
    });
  }
}
