import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { Channel, Clock, Connection, PickInfo, Random, RequestHead, Timer } from "@evenkeel/core";
import type { Attempt } from "./attempt.ts";
import type { CallScope, Deadline, Scoped } from "./call-scope.ts";
import { type BrokenEnd, brokenError } from "./errors.ts";
import { headerValue } from "./headers.ts";
import type { MethodPlan } from "./method-plan.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Protocol } from "./protocol.ts";
import type { RequestHeaders } from "./request-headers.ts";
import type { Rescues } from "./rescues.ts";
import { Hedges, Retries, type Tries } from "./tries.ts";

/** What the calls of a transport share. */
export interface CallContext {
  readonly channel: Channel;
  readonly rescues: Rescues;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: ProtocolOptions;
}

export interface CallInit {
  readonly context: CallContext;
  readonly plan: MethodPlan;
  readonly protocol: Protocol;
  readonly scope: CallScope;
  /** Whether the scope is of this call alone, and ends with it. */
  readonly ownsScope: boolean;
  /** What is left of the timeout is told to the server. */
  readonly deadline: Deadline;
  readonly contextValues: ContextValues | undefined;
}

/** What is sent before the body, in every attempt. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: RequestHeaders;
}

/** How many attempts there were before (gRFC A6). */
const previousAttempts = "grpc-previous-rpc-attempts";
/**
 * An RPC whose connection becomes suspect waits up to this long for it, in milliseconds, before it goes to another one as
 * well, and then again: all that hang on one pod are not to go to the next at once.
 */
const rescueSpreadMs = 250;

/** A hedge waits this long, in milliseconds, and again, where the attempt before it still waits for a connection. */
const queuedHedgeMs = 100;

/**
 * One RPC: the attempt loop. Begins attempts, one after the other or several at a time, until one of them is the answer;
 * `Tries` says what follows a failure. It is what policies see of the RPC.
 */
export abstract class Call implements PickInfo, Scoped {
  readonly context: CallContext;
  readonly protocol: Protocol;
  readonly contextValues: ContextValues | undefined;
  protected readonly plan: MethodPlan;
  protected readonly scope: CallScope;
  protected readonly ownsScope: boolean;
  readonly #deadline: Deadline;
  readonly #startedMs: number;
  #request: WireRequest | undefined;
  /** Those under way: nearly always one. */
  #attempt: Attempt | undefined;
  #others: readonly Attempt[] = none;
  /** Made when there is more to decide than the first attempt. */
  #tries: Tries | undefined;
  /** The further attempt for one whose connection is suspect. There is one at most. */
  #rescue: Attempt | undefined;
  /** Until the next attempt. */
  #timer: Timer | undefined;
  /** Whether an attempt is to follow that is decided upon. */
  #isDue = false;
  #isSettled = false;

  constructor({ context, plan, protocol, scope, ownsScope, deadline, contextValues }: CallInit) {
    this.context = context;
    this.plan = plan;
    this.protocol = protocol;
    this.scope = scope;
    this.ownsScope = ownsScope;
    this.contextValues = contextValues;
    this.#deadline = deadline;
    this.#startedMs = context.clock.now();
    context.channel.retryBudget.deposit();
    context.rescues.deposit();
    scope.add(this);
  }

  /** What policies see of the request, where it is one message. */
  abstract readonly message: unknown;
  protected abstract createAttempt(previous: number): Attempt;
  /** The call failed, with `attempt` if it was one that ended it. */
  protected abstract rejected(error: ConnectError, attempt: Attempt | undefined): void;
  /** Whether another attempt can send all of the request. */
  protected abstract readonly isReplayable: boolean;
  /** Whether the caller has got part of the response, so that no other attempt can follow. */
  protected abstract readonly isAnswering: boolean;

  // what policies see

  get path(): string {
    return this.plan.name;
  }

  get avoid(): ReadonlySet<string> | undefined {
    return this.#tries?.endpoints;
  }

  /** Of the request as it is sent, but for the timeout. */
  header(name: string): string | undefined {
    const { own, shared } = (this.#request as WireRequest).headers;
    return headerValue(own, name) ?? headerValue(shared, name);
  }

  // what attempts tell

  get isSettled(): boolean {
    return this.#isSettled;
  }

  headOf({ previous }: Attempt, nowMs: number): RequestHead {
    const { method, path, headers } = this.#request as WireRequest;
    const endStream = method === "GET";
    const { shared, own, hasTimeout } = headers;
    if (!hasTimeout && previous === 0) return { method, path, headers: shared, furtherHeaders: own, endStream };
    // those of a caller may be of the RPC that it serves
    const further = previous === 0 ? [...own] : own.filter(([name]) => name !== previousAttempts);
    if (hasTimeout) {
      const { timeoutMs = 0, deadlineMs } = this.#deadline;
      const left = Math.min(Math.max(deadlineMs - nowMs, 1), timeoutMs);
      further.push([this.protocol.timeoutHeader, this.protocol.timeoutValue(left)]);
    }
    if (previous > 0) further.push([previousAttempts, String(previous)]);
    return { method, path, headers: shared, furtherHeaders: further, endStream };
  }

  /** Whether a connection that was picked is for this attempt. */
  takes(connection: Connection, attempt: Attempt): boolean {
    if (attempt !== this.#rescue) return true;
    const isBetter = !connection.suspect && this.avoid?.has(connection.endpoint.key) !== true;
    if (isBetter && this.#attempt?.isSilent === true && !this.isAnswering && this.context.rescues.pay()) return true;
    this.#dropRescue(attempt);
    this.#rescueLater();
    return false;
  }

  /** There is no connection for it, or none that takes it. */
  unpicked(error: ConnectError, attempt: Attempt): void {
    if (attempt === this.#rescue && attempt.connection === undefined) {
      this.#dropRescue(attempt);
      this.#rescueLater();
      return;
    }
    attempt.finish(error);
    if (this.#leave(attempt) && !this.#isDue) this.fail(this.scope.error ?? this.#tries?.stranded(error) ?? error);
  }

  /** The server answered with an error, which may be that its answer cannot be understood. */
  answered(error: ConnectError, attempt: Attempt, linger: boolean): void {
    attempt.finish(error, linger);
    if (!this.#isSettled) this.#judge(error, undefined, attempt);
  }

  /** Its stream broke. */
  broke(end: BrokenEnd, attempt: Attempt): void {
    // a server may reset what is late a moment before our timer fires
    const error = this.scope.expired() ?? brokenError(end);
    if (this.#isSettled) return; // by its scope
    attempt.finish(error);
    if (!this.#isSettled) this.#judge(error, end, attempt);
  }

  /** Its connection does not answer: one more attempt elsewhere may be sooner (see `Rescues`). */
  suspected(attempt: Attempt): void {
    if (!this.plan.resending.isRescuable || this.#isSettled || this.#rescue !== undefined) return;
    if (this.isAnswering || this.#tries?.hasMore === false) return;
    this.#timer?.cancel();
    this.#timer = this.#after(this.context.random() * rescueSpreadMs, () => this.#rescueFrom(attempt));
  }

  /** What ends it from outside. */
  ended(error: ConnectError): void {
    this.fail(error);
  }

  /** Ends the call, and what is under way: with `attempt`, if it was one that ended it. */
  fail(error: ConnectError, attempt?: Attempt): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#finishBut(undefined, attempt === undefined ? error : superseded);
    this.rejected(error, attempt);
  }

  /** Begins the first attempt. */
  protected start(request: WireRequest): void {
    this.#request = request;
    const attempt = this.createAttempt(0);
    this.#attempt = attempt;
    if (this.plan.resending.hedging === undefined) {
      this.context.channel.pick(this, attempt, this.scope.outerSignal);
      return;
    }
    this.#hedgeLater();
    this.context.channel.pick(this, attempt, attempt.waiting);
  }

  /** This attempt is the answer: no other goes on. */
  protected choose(attempt: Attempt): void {
    this.#timer?.cancel();
    this.#isDue = false;
    if (attempt === this.#rescue && !this.#isSettled) this.context.rescues.giveBack();
    if (this.#others !== none) this.#finishBut(attempt, superseded);
  }

  /** The call is done well. */
  protected succeed(attempt: Attempt): void {
    if (!this.isAnswering) this.choose(attempt);
    this.#settle();
    attempt.finish(undefined);
  }

  /** Leaves the scope, and ends it if it is the call's own. */
  protected release(): void {
    this.scope.remove(this);
    if (this.ownsScope) this.scope.close();
  }

  #judge(error: ConnectError, end: BrokenEnd | undefined, attempt: Attempt): void {
    // one that still looks for a connection is none to wait for
    if (this.#rescue !== undefined && this.#rescue.connection === undefined) this.#dropRescue(this.#rescue);
    const isAlone = this.#leave(attempt);
    const { retry, hedging } = this.plan.resending;
    if (this.isAnswering || (end === undefined && retry === undefined && hedging === undefined)) {
      this.fail(error, attempt);
      return;
    }
    const tries = this.#triesSoFar;
    if (attempt.connection !== undefined) tries.endpoints.add(attempt.connection.endpoint.key);
    const { isReplayable } = this;
    const verdict = tries.judge({ error, end, isAlone, isDue: this.#isDue, isReplayable });
    if (verdict.kind === "fail") {
      if (end === undefined && attempt === this.#rescue) this.context.rescues.giveBack();
      this.fail(tries.lastError, attempt);
    } else if (verdict.kind === "again") this.#again(verdict.waitMs);
    else if (attempt === this.#rescue && end !== undefined && end.fate !== "ambiguous") {
      // it never happened: another may
      this.#rescue = undefined;
      this.context.rescues.giveBack();
      this.#rescueLater();
    }
  }

  /** Made when it is needed: most calls are done with their first attempt. */
  get #triesSoFar(): Tries {
    if (this.#tries === undefined) {
      const { clock, random, channel } = this.context;
      const { retry, hedging, isIdempotent } = this.plan.resending;
      const init = { budget: channel.retryBudget, clock, random, startedMs: this.#startedMs, isIdempotent };
      this.#tries = hedging === undefined ? new Retries(init, retry) : new Hedges(init, hedging);
    }
    return this.#tries;
  }

  #again(waitMs: number): void {
    this.#isDue = true;
    this.#timer?.cancel();
    const begin = (): void => {
      if (!this.#isDue) return;
      this.#isDue = false;
      if (this.#tries?.isStopped === true) {
        if (this.#attempt === undefined) this.fail(this.#tries.lastError);
      } else this.#begin();
    };
    // not within the event: what else it says of the connection counts for the pick
    if (waitMs === 0) queueMicrotask(begin);
    else this.#timer = this.#after(waitMs, begin);
  }

  /** Begins a further attempt. */
  #begin(isRescue = false): void {
    const tries = this.#triesSoFar;
    for (const { connection } of this.#all) if (connection !== undefined) tries.endpoints.add(connection.endpoint.key);
    const attempt = this.createAttempt(tries.begin());
    if (isRescue) this.#rescue = attempt;
    if (this.#attempt === undefined) this.#attempt = attempt;
    else this.#others = [...this.#others, attempt];
    this.#hedgeLater();
    this.context.channel.pick(this, attempt, attempt.waiting);
  }

  #hedgeLater(): void {
    const tries = this.plan.resending.hedging === undefined ? undefined : (this.#triesSoFar as Hedges);
    if (tries?.delayMs !== undefined) this.#timer = this.#after(tries.delayMs, () => this.#hedge(tries));
  }

  #hedge(tries: Hedges): void {
    if (this.isAnswering || !this.isReplayable) return;
    const isWaiting = this.#all.some(({ connection }) => connection === undefined);
    if (isWaiting) this.#timer = this.#after(queuedHedgeMs, () => this.#hedge(tries));
    else if (tries.mayBegin()) this.#begin();
  }

  #rescueFrom(attempt: Attempt): void {
    if (attempt !== this.#attempt || !attempt.isSilent || this.isAnswering) return;
    if (this.context.rescues.reserve()) this.#begin(true);
    else this.#rescueLater();
  }

  /** Looks again while the first attempt stays where it is. */
  #rescueLater(): void {
    const attempt = this.#attempt;
    if (attempt?.isSilent !== true) return;
    const ms = rescueSpreadMs * (1 + this.context.random());
    this.#timer = this.#after(ms, () => this.#rescueFrom(attempt));
  }

  /** There is no connection for it that is better. */
  #dropRescue(rescue: Attempt): void {
    this.#leave(rescue);
    this.#rescue = undefined;
    this.#tries?.takeBack();
    this.context.rescues.giveBack();
    rescue.finish(superseded);
  }

  get #all(): readonly Attempt[] {
    return this.#attempt === undefined ? none : [this.#attempt, ...this.#others];
  }

  /** Returns whether no other is under way. */
  #leave(attempt: Attempt): boolean {
    if (attempt !== this.#attempt) this.#others = this.#others.filter((other) => other !== attempt);
    else {
      this.#attempt = this.#others[0];
      this.#others = this.#others.slice(1);
    }
    return this.#attempt === undefined;
  }

  #finishBut(chosen: Attempt | undefined, error: ConnectError): void {
    const all = this.#all;
    this.#attempt = chosen;
    this.#others = none;
    for (const attempt of all) {
      if (attempt === chosen) continue;
      if (attempt === this.#rescue && attempt.connection === undefined) this.context.rescues.giveBack();
      attempt.finish(error);
    }
  }

  #after(ms: number, act: () => void): Timer {
    const { clock } = this.context;
    return clock.setTimeout(act, ms, { ref: true });
  }

  #settle(): void {
    this.#isSettled = true;
    this.#isDue = false;
    this.#timer?.cancel();
    this.release();
  }
}

const none: readonly Attempt[] = [];
const superseded = new ConnectError("another attempt was the answer", Code.Canceled);
