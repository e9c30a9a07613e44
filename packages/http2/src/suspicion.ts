import type { Clock, Timer } from "@evenkeel/core";
import { afterPoll } from "./after-poll.ts";

/**
 * Milliseconds without a response, while streams are open, after which a ping is sent, and then again. Few, since servers
 * count pings that come between two of their responses: those of gRPC end the connection at the third that comes within
 * 5 min of the one before.
 */
const pingAfterMs = 1_000;
const pingAgainAfterMs = 10_000;
/** A ping that comes so long after the one before never counts; the network may bring two of them closer together. */
const harmlessAfterMs = 310_000;
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
  | { readonly kind: "watching"; readonly timer: Timer; readonly dueAt: number }
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
  /** Since the last response: streams that come and go without one earn no more. */
  #pings = 0;
  #pingedAt = Number.NEGATIVE_INFINITY;

  constructor(deadAfterMs: number, clock: Clock, target: SuspicionTarget) {
    this.#deadAfterMs = deadAfterMs;
    this.#clock = clock;
    this.#target = target;
  }

  /** The first stream was opened. */
  busy(): void {
    if (this.#phase.kind !== "idle" && this.#phase.kind !== "watching") return;
    this.#quietSince = this.#clock.now();
    if (this.#phase.kind === "idle") this.#watch(this.#untilNextPing());
  }

  /** Something was read; `isResponse`: HEADERS or DATA among it. */
  heard(isResponse: boolean): void {
    if (isResponse) {
      this.#quietSince = this.#clock.now();
      this.#pings = 0;
    }
    const phase = this.#phase;
    if (phase.kind === "idle") return;
    // the timer stands while it is early enough: not one for every response
    if (phase.kind === "watching" && (!isResponse || phase.dueAt <= this.#quietSince + pingAfterMs)) return;
    phase.timer.cancel();
    this.#watch(this.#untilNextPing());
    if (phase.kind === "suspect") this.#target.changed(false);
  }

  stop(): void {
    if (this.#phase.kind !== "idle") this.#phase.timer.cancel();
    this.#phase = { kind: "idle" };
  }

  #watch(ms: number): void {
    const timer = this.#clock.setTimeout(() => this.#look(), ms);
    this.#phase = { kind: "watching", timer, dueAt: this.#clock.now() + ms };
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
    this.#pingedAt = this.#clock.now();
    this.#target.ping();
    this.#phase = { kind: "pinged", timer: this.#decideAfter(suspectAfterMs, () => this.#suspect()) };
  }

  #suspect(): void {
    this.#phase = { kind: "suspect", timer: this.#decideAfter(this.#deadAfterMs, () => this.#target.dead()) };
    this.#target.changed(true);
  }

  #untilNextPing(): number {
    return this.#nextPingAt() - this.#clock.now();
  }

  #nextPingAt(): number {
    const soonest = this.#quietSince + pingAfterMs;
    if (this.#pings === 0) return soonest;
    const harmless = Math.max(soonest, this.#pingedAt + harmlessAfterMs);
    return this.#pings === 1 ? Math.min(this.#quietSince + pingAgainAfterMs, harmless) : harmless;
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
