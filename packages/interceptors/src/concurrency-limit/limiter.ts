import type { AdaptiveLimit } from "./adaptive-limit.ts";

/** How an RPC ended: `dropped` is too late, `ignored` says nothing of the load. */
export type Ending = "succeeded" | "dropped" | "ignored";

/** The places of a server, and who has them. */
export class Limiter {
  readonly limit: AdaptiveLimit;
  #inFlight = 0;
  #begun = 0;
  #rejected = 0;
  #dropped = 0;

  constructor(limit: AdaptiveLimit) {
    this.limit = limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get begun(): number {
    return this.#begun;
  }

  get rejected(): number {
    return this.#rejected;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** A place, if there is one. `isTimed`: whether how long the RPC takes tells of the load. */
  tryBegin(isTimed: boolean): Place | undefined {
    if (!this.limit.admits(this.#inFlight)) {
      this.#rejected++;
      return undefined;
    }
    this.#begun++;
    this.#inFlight++;
    return new Place(this, isTimed ? this.limit.begin() : undefined);
  }

  /** A place was timed. */
  timed(ending: Ending, startedMs: number, concurrency: number): void {
    if (ending === "succeeded") this.limit.succeed(startedMs, concurrency);
    else if (ending === "ignored") this.limit.ignore(startedMs);
    else {
      this.#dropped++;
      this.limit.drop(startedMs, concurrency);
    }
  }

  /** A place is free. */
  released(): void {
    this.#inFlight--;
  }
}

/** The place of an RPC, which is timed once at most and released once, however often and in whatever order asked. */
export class Place {
  readonly #limiter: Limiter;
  readonly #concurrency: number;
  #startedMs: number | undefined;
  #isReleased = false;

  constructor(limiter: Limiter, startedMs: number | undefined) {
    this.#limiter = limiter;
    this.#concurrency = limiter.inFlight;
    this.#startedMs = startedMs;
  }

  /** Takes the time, and keeps the place. */
  time(ending: Ending): void {
    const startedMs = this.#startedMs;
    if (startedMs === undefined) return;
    this.#startedMs = undefined;
    this.#limiter.timed(ending, startedMs, Math.max(this.#concurrency, this.#limiter.inFlight));
  }

  release(ending: Ending): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.time(ending);
    this.#limiter.released();
  }
}
