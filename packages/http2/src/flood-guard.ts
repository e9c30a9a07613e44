import type { Clock } from "@evenkeel/core";
import { ErrorCode } from "./error-code.ts";
import { ProtocolError } from "./frames/protocol-error.ts";

/** Frames that get nothing done which a peer may send per second, and at once. */
const perSecond = 10_000;
/** What may be saved up by what we do ourselves. */
const maxTokens = 10 * perSecond;

/** Ends a connection whose peer keeps us busy with frames that get nothing done: a token bucket. */
export class FloodGuard {
  readonly #clock: Clock;
  #tokens = perSecond;
  #filledAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  /** So many frames are to be expected, for what we did ourselves. */
  earn(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, maxTokens);
  }

  /** Counts what was received. Throws a `ProtocolError` (ENHANCE_YOUR_CALM) when it was too much. */
  spend(tokens: number, what: string): void {
    this.#tokens -= tokens;
    if (this.#tokens >= 0) return;
    const now = this.#clock.now();
    // the bucket was full at most before these were taken out of it
    this.#tokens = Math.min(perSecond - tokens, this.#tokens + ((now - this.#filledAt) / 1_000) * perSecond);
    this.#filledAt = now;
    if (this.#tokens < 0) throw new ProtocolError(ErrorCode.enhanceYourCalm, `a flood of ${what}`);
  }
}
