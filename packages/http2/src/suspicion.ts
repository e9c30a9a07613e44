import type { Clock, Timer } from "@evenkeel/core";
import { afterPoll } from "./after-poll.ts";

/**
 * Milliseconds without a response, while streams are open, after which a ping is sent; then again, and then at every
 * multiple of the last. Few, since servers count pings that come between two of their frames (grpc-go allows two).
 */
const pingAfterMs = [1_000, 10_000, 300_000] as const;
/** A ping that is not answered for so long makes the connection suspect. */
const suspectAfterMs = 250;

export interface SuspicionTarget {
  /** Sends a ping; any byte of the peer answers it. */
  ping(): void;
  hasStreams(): boolean;
  /** The peer stopped to answer, or is heard again. */
  changed(suspect: boolean): void;
  /** The peer did not answer for `deadAfterMs` after a ping. */
  dead(): void;
}

type Phase =
  | { readonly kind: "idle" }
  | { readonly kind: "watching"; readonly timer: Timer }
  | { readonly kind: "pinged"; readonly timer: Timer }
  | { readonly kind: "suspect"; readonly timer: Timer };

/** Notices within little more than a second that a peer with open streams does not answer. Suspicion is not death. */
export class Suspicion {
  readonly #clock: Clock;
  readonly #target: SuspicionTarget;
  readonly #deadAfterMs: number;
  #phase: Phase = { kind: "idle" };
  /** When streams or responses were last seen to begin or to go on. */
  #quietSince = 0;
  #pings = 0;

  constructor(deadAfterMs: number, clock: Clock, target: SuspicionTarget) {
    this.#deadAfterMs = deadAfterMs;
    this.#clock = clock;
    this.#target = target;
  }

  /** The first stream was opened. */
  busy(): void {
    if (this.#phase.kind !== "idle" && this.#phase.kind !== "watching") return;
    this.#quietSince = this.#clock.now();
    this.#pings = 0;
    if (this.#phase.kind === "idle") this.#watch(pingAfterMs[0]);
  }

  /** Something was read; `isResponse`: HEADERS or DATA among it. */
  heard(isResponse: boolean): void {
    if (isResponse) {
      this.#quietSince = this.#clock.now();
      this.#pings = 0;
    }
    const phase = this.#phase;
    if (phase.kind !== "pinged" && phase.kind !== "suspect") return;
    phase.timer.cancel();
    this.#watch(this.#untilNextPing());
    if (phase.kind === "suspect") this.#target.changed(false);
  }

  stop(): void {
    if (this.#phase.kind !== "idle") this.#phase.timer.cancel();
    this.#phase = { kind: "idle" };
  }

  #watch(ms: number): void {
    this.#phase = { kind: "watching", timer: this.#clock.setTimeout(() => this.#look(), ms) };
  }

  #look(): void {
    if (!this.#target.hasStreams()) {
      this.#phase = { kind: "idle" };
      return;
    }
    const ms = this.#untilNextPing();
    if (ms > 0) {
      this.#watch(ms);
      return;
    }
    this.#pings++;
    this.#target.ping();
    this.#phase = { kind: "pinged", timer: this.#decideAfter(suspectAfterMs, () => this.#suspect()) };
  }

  #suspect(): void {
    this.#phase = { kind: "suspect", timer: this.#decideAfter(this.#deadAfterMs, () => this.#target.dead()) };
    this.#target.changed(true);
  }

  #untilNextPing(): number {
    const last = pingAfterMs[2];
    const dueMs = pingAfterMs[this.#pings] ?? last * (this.#pings - 1);
    return this.#quietSince + dueMs - this.#clock.now();
  }

  #decideAfter(ms: number, decide: () => void): Timer {
    const timer: Timer = this.#clock.setTimeout(() => {
      afterPoll(() => {
        if ("timer" in this.#phase && this.#phase.timer === timer) decide();
      });
    }, ms);
    return timer;
  }
}
