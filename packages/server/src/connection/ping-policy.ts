import type { Clock } from "../clock.ts";

/** As in the gRPC servers: the next one after so many is an abuse. */
const allowedStrikes = 2;

export interface PingPolicySettings {
  readonly minPingIntervalMs: number;
  readonly clock: Clock;
}

/**
 * Tells a client that pings too often from one that is well behaved (gRFC A8): a PING that comes within
 * `minPingIntervalMs` of the one before is a strike, a response wipes them out.
 */
export class PingPolicy {
  readonly #settings: PingPolicySettings;
  #lastPingAt = Number.NEGATIVE_INFINITY;
  #responsesSeen = "";
  #strikes = 0;

  constructor(settings: PingPolicySettings) {
    this.#settings = settings;
  }

  /**
   * @param responses changes when HEADERS or DATA have been sent
   * @returns whether it is one too many
   */
  onPing(responses: string): boolean {
    const now = this.#settings.clock.now();
    const tooSoon = now - this.#lastPingAt < this.#settings.minPingIntervalMs;
    this.#lastPingAt = now;
    if (responses !== this.#responsesSeen) {
      this.#responsesSeen = responses;
      this.#strikes = 0;
    } else if (tooSoon) {
      this.#strikes++;
    }
    return this.#strikes > allowedStrikes;
  }
}
