import { type Clock, type Random, type Resolver, type ResolverUpdate, StatusCode, type Timer } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { type Findings, findingsAfter, noteOf } from "./findings.ts";
import type { ParsedTarget } from "./target-type.ts";

/**
 * The same is told again no more often than this, in milliseconds: policies of grpc-js whose endpoints are down ask anew
 * whenever they are told anything.
 */
const repeatMs = 1_000;

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
  #findings: Findings = { kind: "none" };
  /** Whether grpc-js was told of endpoints, and not yet that they are gone. */
  #hasSet = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isDue = false;
  #repeat: Timer | undefined;
  #hasEnded = false;

  constructor(options: ResolutionOptions) {
    this.#options = options;
    this.#resolver = options.fault === undefined ? this.#start() : undefined;
    if (this.#resolver === undefined) this.#tellSoon();
  }

  /**
   * grpc-js asks for a newer answer, and puts off what it is asked meanwhile until it gets one, for up to two minutes.
   * So there is always one, be it the last one again.
   */
  askAgain(): void {
    if (this.#findings.kind === "none" && this.#options.fault === undefined) return;
    this.#resolver?.resolveNow();
    const wait = this.#toldAt + repeatMs - this.#options.clock.now();
    if (wait <= 0) this.#tellSoon();
    else this.#repeat ??= this.#options.clock.setTimeout(() => this.#tellAgain(), wait);
  }

  /** Nothing is told from here on. */
  end(): void {
    this.#hasEnded = true;
    this.#repeat?.cancel();
    this.#resolver?.close();
  }

  #start(): Resolver | undefined {
    const { clock, random, parse } = this.#options;
    try {
      const { target, resolver } = parse();
      return resolver()(target, (update) => this.#found(update), { clock, random });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#findings = { kind: "failed", error };
      return undefined;
    }
  }

  #found(update: ResolverUpdate): void {
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

  #tellAgain(): void {
    this.#resolver?.resolveNow(); // what grpc-js has put off, it forgets with this answer
    this.#tellSoon();
  }

  #tell(): void {
    this.#repeat?.cancel();
    this.#repeat = undefined;
    this.#toldAt = this.#options.clock.now();
    const { listener, fault, text } = this.#options;
    if (fault !== undefined) {
      const details = `${text}: ${fault}`;
      listener(unavailable(details), {}, unavailable(details), details);
      return;
    }
    const note = this.#noteOf(this.#findings);
    const endpoints = this.#findings.kind === "set" ? this.#findings.endpoints : [];
    if (this.#findings.kind === "set" || this.#hasSet) {
      this.#hasSet = endpoints.length > 0;
      listener(experimental.statusOrFromValue(endpoints), {}, null, note);
    }
    // without endpoints an error makes RPCs fail with its message, where some policies let them wait after an empty set
    if (endpoints.length === 0 && !this.#hasEnded) listener(unavailable(note), {}, null, note);
  }

  #noteOf(findings: Findings): string {
    return noteOf(this.#options.text, findings);
  }
}

function unavailable<T>(details: string): experimental.StatusOr<T> {
  return experimental.statusOrFromError({ code: StatusCode.unavailable, details });
}
