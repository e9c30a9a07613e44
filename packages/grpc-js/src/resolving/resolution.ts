import {
  type Clock,
  messageOf,
  type Random,
  type Resolver,
  type ResolverUpdate,
  StatusCode,
  type Timer,
} from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { faultPolicy } from "../balancing/fault.ts";
import { type Findings, findingsAfter, noteOf } from "./findings.ts";
import type { ParsedTarget } from "./target-type.ts";

/**
 * The same is told again after so long, in milliseconds, and after twice as long each further time: policies of grpc-js
 * whose endpoints are down ask anew whenever they are told anything.
 */
const repeatMs = { least: 1_000, most: 30_000 };

/** How long RPCs wait for the first answer, in milliseconds: grpc-js keeps those that have ended, too, until there is one. */
const patienceMs = 20_000;

export type ResolverListener = ConstructorParameters<Parameters<typeof experimental.registerResolver>[1]>[1];

export interface ResolutionOptions {
  /** The target as it was given. */
  readonly text: string;
  readonly listener: ResolverListener;
  readonly clock: Clock;
  readonly random: Random;
  /** Why the channel cannot be used, whatever its endpoints are. */
  readonly fault: string | undefined;
  /** Throws what is wrong with the target. */
  parse(): ParsedTarget;
}

/**
 * A resolver of core, from the first time that a channel of grpc-js asks until it goes idle or closes.
 *
 * Nothing is told before the next tick, as grpc-js demands; what comes until then is told as one.
 */
export class Resolution {
  readonly #options: ResolutionOptions;
  readonly #resolver: Resolver | undefined;
  /** What no waiting mends. */
  #fault: string | undefined;
  #findings: Findings = { kind: "none" };
  /** What was told last. */
  #told: Findings | undefined;
  /** Whether grpc-js was told of endpoints, and not yet that they are gone. */
  #hasSet = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isDue = false;
  #repeat: Timer | undefined;
  #repeatMs = repeatMs.least;
  #patience: Timer | undefined;
  #hasEnded = false;

  constructor(options: ResolutionOptions) {
    this.#options = options;
    this.#fault = options.fault;
    this.#resolver = options.fault === undefined ? this.#start() : undefined;
    if (this.#fault !== undefined) this.#tellSoon();
    else if (this.#findings.kind === "none") {
      this.#patience = options.clock.setTimeout(() => this.#giveUp(), patienceMs);
    }
  }

  /**
   * grpc-js asks for a newer answer, and puts off what it is asked meanwhile until it gets one, for up to two minutes.
   * So there is always one, be it the last one again.
   */
  askAgain(): void {
    if (this.#findings.kind === "none" && this.#fault === undefined) return;
    this.#resolver?.resolveNow();
    const wait = this.#toldAt + this.#repeatMs - this.#options.clock.now();
    if (wait <= 0) this.#tellSoon();
    else this.#repeat ??= this.#options.clock.setTimeout(() => this.#tellSoon(), wait);
  }

  /** Nothing is told from here on. */
  end(): void {
    this.#hasEnded = true;
    this.#patience?.cancel();
    this.#repeat?.cancel();
    this.#resolver?.close();
  }

  /** What is thrown is wrong with the target or the options; what may pass, resolvers tell. */
  #start(): Resolver | undefined {
    const { clock, random, parse } = this.#options;
    try {
      const { target, resolver } = parse();
      return resolver()(target, (update) => this.#found(update), { clock, random });
    } catch (thrown) {
      this.#fault = messageOf(thrown);
      return undefined;
    }
  }

  #giveUp(): void {
    this.#found({ kind: "error", error: new Error(`no answer of the resolver within ${patienceMs / 1_000} s`) });
  }

  #found(update: ResolverUpdate): void {
    this.#patience?.cancel();
    const before = this.#findings;
    this.#findings = findingsAfter(before, update);
    // a resolver that fails again and again for the same reason says nothing new
    const isNew = update.kind !== "error" || this.#noteOf(before) !== this.#noteOf(this.#findings);
    if (isNew) this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    process.nextTick(() => {
      this.#isDue = false;
      if (!this.#hasEnded) this.#tell();
    });
  }

  #tell(): void {
    if (this.#repeat !== undefined) this.#resolver?.resolveNow(); // what grpc-js has put off, it forgets with this answer
    this.#repeat?.cancel();
    this.#repeat = undefined;
    this.#repeatMs = this.#told === this.#findings ? Math.min(2 * this.#repeatMs, repeatMs.most) : repeatMs.least;
    this.#told = this.#findings;
    this.#toldAt = this.#options.clock.now();
    if (this.#fault === undefined) this.#tellFindings();
    else this.#tellFault(`${this.#options.text}: ${this.#fault}`);
  }

  #tellFindings(): void {
    const { listener } = this.#options;
    const note = this.#noteOf(this.#findings);
    const endpoints = this.#findings.kind === "set" ? this.#findings.endpoints : [];
    if (this.#findings.kind === "set" || this.#hasSet) {
      this.#hasSet = endpoints.length > 0;
      listener(experimental.statusOrFromValue(endpoints), {}, null, note);
    }
    if (endpoints.length > 0 || this.#hasEnded) return;
    // an error makes RPCs fail with its message, where some policies let them wait after an empty set
    const error = { code: StatusCode.unavailable, details: note };
    listener(experimental.statusOrFromError(error), {}, null, "");
  }

  /** By a policy, as after an error of the resolver RPCs that wait for ready would wait for ever. */
  #tellFault(details: string): void {
    const config = { loadBalancingConfig: [{ [faultPolicy]: { details } }], methodConfig: [] };
    this.#options.listener(experimental.statusOrFromValue([]), {}, experimental.statusOrFromValue(config), details);
  }

  #noteOf(findings: Findings): string {
    return noteOf(this.#options.text, findings);
  }
}
