import { setTimeout as sleep } from "node:timers/promises";
import { randomInt } from "@evenkeel/core";
import { seededRandom } from "@evenkeel/testing";
import { Call } from "./call.ts";
import { planCall } from "./plan.ts";
import type { Route } from "./transports.ts";

/** What callers wait between two calls, at most. */
const thinkMs = 60;
/** How late a call may settle, in milliseconds: after its deadline, its abort, or what a call without either takes. */
const marginMs = 20_000;
const longestMs = 60_000;
const sweepMs = 500;

export interface LoadEvents {
  starting(call: Call): void;
  /** It settled; `error` is `undefined` for a success. */
  settled(call: Call, error: unknown): void;
  /** It should have settled, and has not. It is aborted, and no more is heard of it. */
  overdue(call: Call): void;
}

interface Live {
  readonly call: Call;
  readonly giveUp: () => void;
}

/** Callers that make one call after another, each on one of the routes. */
export class Load {
  readonly #routes: readonly Route[];
  readonly #events: LoadEvents;
  readonly #live = new Set<Live>();
  readonly #callers: Promise<void>[];
  readonly #sweeper: NodeJS.Timeout;
  #ids = 0;
  #gate: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  #ended = false;

  /** Begins paused. */
  constructor(routes: readonly Route[], callers: number, seed: number, events: LoadEvents) {
    this.#routes = routes;
    this.#events = events;
    this.#callers = Array.from({ length: callers }, (_, caller) => this.#calls(caller, seed * 1_000 + caller));
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs);
  }

  /** Calls under way. */
  get live(): number {
    return this.#live.size;
  }

  /** Calls so far. */
  get calls(): number {
    return this.#ids;
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /** Begins no more calls; resolves when those under way have settled, or are overdue. */
  async pause(): Promise<void> {
    this.#gate ??= Promise.withResolvers<void>();
    while (this.#live.size > 0) await sleep(10);
  }

  /** Ends for good. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.resume();
    await Promise.all(this.#callers);
    clearInterval(this.#sweeper);
  }

  async #calls(caller: number, seed: number): Promise<void> {
    const random = seededRandom(seed);
    const route = this.#routes[caller % this.#routes.length] as Route;
    for (;;) {
      await this.#gate?.promise;
      if (this.#ended) return;
      await this.#make(new Call(++this.#ids, planCall(random, route), route));
      await sleep(randomInt(random, thinkMs));
    }
  }

  async #make(call: Call): Promise<void> {
    this.#events.starting(call);
    const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<"overdue">();
    const live: Live = { call, giveUp: () => giveUp("overdue") };
    this.#live.add(live);
    const settled = call.run().then(
      () => ({ error: undefined }),
      (error: unknown) => ({ error: error ?? new Error("rejected without a reason") }),
    );
    const end = await Promise.race([settled, givenUp]);
    this.#live.delete(live);
    if (end !== "overdue") {
      this.#events.settled(call, end.error);
      return;
    }
    this.#events.overdue(call);
    call.abort();
  }

  #sweep(): void {
    const now = performance.now();
    for (const { call, giveUp } of this.#live) if (now > limitOf(call)) giveUp();
  }
}

function limitOf({ startedAt, abortedAt = Number.POSITIVE_INFINITY, plan }: Call): number {
  return Math.min(startedAt + (plan.timeoutMs ?? longestMs), abortedAt) + marginMs;
}
