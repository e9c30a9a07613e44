import { type Clock, jitter, type Random } from "@evenkeel/core";
import { Probe } from "./probe.ts";

export interface AdaptiveLimitSettings {
  readonly initialLimit: number;
  readonly minLimit: number;
  readonly maxLimit: number;
  readonly tolerance: number;
  readonly smoothing: number;
  readonly probeIntervalMs: number;
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
}

/** RPCs that ended, as far as they count. */
interface Window {
  succeeded: number;
  dropped: number;
  /** Dropped before they had taken as long as RPCs take alone. */
  impatient: number;
  sumMs: number;
}

/** RPCs that a window has at least. */
const leastWindow = 30;
/** A window takes at most so much of the limit away, before smoothing: what is slow may be an accident. */
const leastGradient = 0.5;
/** What a new measurement counts against the ones before. */
const baseWeight = 0.5;
/** A probe lets in this part of the limit. */
const probeDepth = 4;
/** Probes take at most this part of the time, of slow RPCs as well. */
const probeShare = 1 / 20;
/** Unless the limit has moved by double or half since the last one, which then told little. */
const soonMs = 1_000;
const soonShare = 1 / 10;

/**
 * How many RPCs at a time are best, learnt from how long they take: a gradient limit (Netflix concurrency-limits,
 * Gradient2Limit) over windows of RPCs, against a round-trip time without queueing that is measured, not averaged.
 *
 * After each window of RPCs the limit becomes `limit * gradient + sqrt(limit)`, smoothed, with
 * `gradient = tolerance * base / rtt`, at most 1. It grows by the square root, the queue that is allowed, until RPCs
 * take more than `tolerance` times as long as alone, and settles somewhat above the knee.
 *
 * Unlike the model, which learns the base as a long average and so follows a lasting overload up to the maximum, it
 * measures: while RPCs are being rejected, from time to time a `Probe` lets the queue run dry.
 */
export class AdaptiveLimit {
  readonly #settings: AdaptiveLimitSettings;
  #limit: number;
  /** The round-trip time without queueing, in milliseconds. */
  #baseMs: number | undefined;
  #rttMs: number | undefined;
  /** Up to this concurrency the base is learnt from the windows themselves. */
  #quiet: number;
  /** RPCs that will tell how long they took. */
  #open = 0;
  #window: Window = { succeeded: 0, dropped: 0, impatient: 0, sumMs: 0 };
  #probe: Probe | undefined;
  #probes = 0;
  /** The limit at the last probe. */
  #probedLimit = 0;
  #soonestProbeMs = Number.NEGATIVE_INFINITY;
  #nextProbeMs = Number.NEGATIVE_INFINITY;
  #hasRejected = false;

  constructor(settings: AdaptiveLimitSettings) {
    this.#settings = settings;
    this.#limit = settings.initialLimit;
    this.#quiet = settings.minLimit;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** How many RPCs at a time are let in now. */
  get bound(): number {
    return this.#probe?.bound ?? this.limit;
  }

  /** What RPCs take without queueing. */
  get baseMs(): number | undefined {
    return this.#baseMs;
  }

  /** What they took in the last window. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  get isProbing(): boolean {
    return this.#probe !== undefined;
  }

  /** Whether one more RPC may begin beside those in flight. */
  admits(inFlight: number): boolean {
    this.#pass(this.#settings.clock.now());
    const admitted = inFlight < this.limit && (this.#probe === undefined || this.#open < this.#probe.bound);
    this.#hasRejected ||= !admitted;
    return admitted;
  }

  /** An RPC began, of which `succeed`, `drop` or `ignore` will tell the end. @returns the time. */
  begin(): number {
    const nowMs = this.#settings.clock.now();
    this.#pass(nowMs);
    this.#open++;
    return nowMs;
  }

  /** It was answered. `concurrency` is the most RPCs that were in flight with it. */
  succeed(startedMs: number, concurrency: number): void {
    const nowMs = this.#leave();
    const probe = this.#probe;
    probe?.leave();
    if (probe?.rttMs !== undefined) this.#endProbe(nowMs, probe);
    if (probe !== undefined || !this.#counts(concurrency)) return;
    this.#window.succeeded++;
    this.#window.sumMs += nowMs - startedMs;
    this.#update(nowMs);
  }

  /**
   * It was too late: a sign of too much work, in proportion to how many are. One that had less time than RPCs take alone
   * is none while others are answered: a client with such deadlines would take the limit from all the others.
   */
  drop(startedMs: number, concurrency: number): void {
    const nowMs = this.#leave();
    this.#probe?.forget(startedMs);
    if (this.#probe !== undefined || !this.#counts(concurrency)) return;
    if (nowMs - startedMs < (this.#baseMs ?? 0)) this.#window.impatient++;
    else this.#window.dropped++;
    this.#update(nowMs);
  }

  /** How long it took says nothing. */
  ignore(startedMs: number): void {
    this.#leave();
    this.#probe?.forget(startedMs);
  }

  #leave(): number {
    const nowMs = this.#settings.clock.now();
    this.#pass(nowMs);
    this.#open--;
    return nowMs;
  }

  #pass(nowMs: number): void {
    const probe = this.#probe;
    if (probe === undefined) return;
    probe.pass(nowMs, this.#open);
    if (probe.isOver(nowMs)) this.#endProbe(nowMs, probe);
  }

  /** With less than half of the limit in use, an RPC says nothing of the limit. */
  #counts(concurrency: number): boolean {
    return concurrency * 2 >= this.limit;
  }

  #update(nowMs: number): void {
    const { succeeded, dropped, impatient, sumMs } = this.#window;
    // who waits for less time than RPCs take says nothing of the load, unless nobody is answered at all
    const count = succeeded + dropped + (succeeded === 0 ? impatient : 0);
    if (count < Math.max(leastWindow, this.#limit)) return;
    this.#window = { succeeded: 0, dropped: 0, impatient: 0, sumMs: 0 };
    let gradient = 1;
    if (succeeded > 0) {
      this.#rttMs = sumMs / succeeded;
      this.#learn(this.#rttMs);
      if (this.#rttMs > 0) {
        gradient = Math.min(1, (this.#settings.tolerance * (this.#baseMs ?? 0)) / this.#rttMs);
      }
    }
    gradient = Math.max(leastGradient, gradient * (succeeded / count));
    const { smoothing, minLimit, maxLimit } = this.#settings;
    const wanted = this.#limit * gradient + Math.sqrt(this.#limit);
    const next = this.#limit * (1 - smoothing) + wanted * smoothing;
    this.#limit = Math.min(Math.max(next, minLimit), maxLimit);
    this.#probeIfDue(nowMs);
  }

  /** What a window says of the base: all at low concurrency, and else that it is too high, when it is by far. */
  #learn(rttMs: number): void {
    if (this.#baseMs === undefined) this.#baseMs = rttMs;
    else if (this.#limit <= this.#quiet || rttMs * 2 < this.#baseMs) {
      this.#baseMs += baseWeight * (rttMs - this.#baseMs);
    }
  }

  /** A limit that rejects nothing needs no probe. */
  #probeIfDue(nowMs: number): void {
    if (!this.#hasRejected) return;
    const hasMoved = this.#limit >= this.#probedLimit * 2 || this.#limit * 2 <= this.#probedLimit;
    if (nowMs < (hasMoved ? this.#soonestProbeMs : this.#nextProbeMs)) return;
    this.#quiet = Math.max(this.#settings.minLimit, Math.floor(this.#limit / probeDepth));
    if (this.#limit > this.#quiet) this.#probe = new Probe(this.#quiet, nowMs, this.#rttMs ?? 0);
  }

  #endProbe(nowMs: number, probe: Probe): void {
    const { probeIntervalMs, random } = this.#settings;
    const { rttMs } = probe;
    if (rttMs !== undefined) this.#measured(rttMs);
    const tookMs = nowMs - probe.startedMs;
    this.#soonestProbeMs = nowMs + Math.max(soonMs, tookMs / soonShare);
    // what is measured of a server that has just begun is soon measured again
    const intervalMs = Math.min(probeIntervalMs, soonMs * 2 ** this.#probes++);
    this.#nextProbeMs = nowMs + jitter(random, Math.max(intervalMs, tookMs / probeShare), 0.1);
    this.#probedLimit = this.#limit;
    this.#probe = undefined;
    this.#hasRejected = false;
    this.#window = { succeeded: 0, dropped: 0, impatient: 0, sumMs: 0 };
  }

  #measured(rttMs: number): void {
    const base = this.#baseMs;
    // what differs by far is no noise
    const isNew = base === undefined || this.#probes === 0 || rttMs > base * 2 || rttMs * 2 < base;
    this.#baseMs = isNew ? rttMs : base + baseWeight * (rttMs - base);
  }
}
