import type { Clock } from "../clock.ts";

/** As in the gRPC servers: the next one after so many is an abuse. */
const allowedStrikes = 2;

/** What an answer to a PING, and one to SETTINGS, takes on the wire. */
const ackBytes = { ping: 17, settings: 9 };

export interface PingPolicySettings {
  readonly minPingIntervalMs: number;
  readonly clock: Clock;
}

/**
 * Tells a client that pings too often from one that is well behaved (gRFC A8): a PING that comes within
 * `minPingIntervalMs` of the one before is a strike, a response wipes them out. What was written beyond the answers that
 * HTTP/2 demands is taken for a response.
 */
export class PingPolicy {
  readonly #settings: PingPolicySettings;
  #lastPingAt = Number.NEGATIVE_INFINITY;
  #demandedBytes = 0;
  #mostResponseBytes = Number.NEGATIVE_INFINITY;
  #strikes = 0;

  constructor(settings: PingPolicySettings) {
    this.#settings = settings;
  }

  onSettings(): void {
    this.#demandedBytes += ackBytes.settings;
  }

  /**
   * @param bytesWritten to the socket so far; where that is not counted, every PING is allowed
   * @returns whether it is one too many
   */
  onPing(bytesWritten: number | undefined): boolean {
    if (bytesWritten === undefined) return false;
    this.#demandedBytes += ackBytes.ping;
    const responseBytes = bytesWritten - this.#demandedBytes;
    const now = this.#settings.clock.now();
    const tooSoon = now - this.#lastPingAt < this.#settings.minPingIntervalMs;
    this.#lastPingAt = now;
    // less than before: answers that are not written yet
    if (responseBytes > this.#mostResponseBytes) {
      this.#mostResponseBytes = responseBytes;
      this.#strikes = 0;
    } else if (tooSoon) {
      this.#strikes++;
    }
    return this.#strikes > allowedStrikes;
  }
}
