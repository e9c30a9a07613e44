import { ConnectError } from "@connectrpc/connect";
import { backoffDelay, type Clock, type Random, type RetryBudget } from "@evenkeel/core";
import type { BrokenEnd } from "./errors.ts";
import type { HedgingRule, RetryRule } from "./resending.ts";

/** Attempts of an RPC whose streams are refused. */
const maxRefusedAttempts = 5;
const refusedStream = 7;
/** How long connections may go on not taking an RPC, in milliseconds; its deadline may be earlier. */
const maxTransparentMs = 30_000;
const transparentBackoff = { initialMs: 10, multiplier: 2, maxMs: 1_000, jitter: 0.2 };

export interface TriesInit {
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** When the RPC began, by the clock. */
  readonly startedMs: number;
  /** Whether the method's `idempotency_level` lets it happen twice. */
  readonly isIdempotent: boolean;
}

/** An attempt that failed. */
export interface Failure {
  readonly error: ConnectError;
  /** How its stream broke; `undefined` where the server answered. */
  readonly end: BrokenEnd | undefined;
  /** Whether no other attempt is under way. */
  readonly isAlone: boolean;
  /** Whether one is to follow already. */
  readonly isDue: boolean;
  /** Whether all of the request can be sent again. */
  readonly isReplayable: boolean;
}

/** What follows a failure. */
export type Verdict =
  /** The RPC fails with it. */
  | { readonly kind: "fail" }
  /** The other attempts go on. */
  | { readonly kind: "goOn" }
  /** One more attempt after so many milliseconds; it is paid for. */
  | { readonly kind: "again"; readonly waitMs: number };

const fail: Verdict = { kind: "fail" };
const goOn: Verdict = { kind: "goOn" };
const atOnce: Verdict = { kind: "again", waitMs: 0 };

/**
 * Decides what follows the failures of an RPC's attempts. One that never happened (`unsent`, `unprocessed`) is repeated
 * for every method, and is no attempt in any count (gRFC A6, "Transparent Retries").
 */
export abstract class Tries {
  /** Keys of the endpoints that it was sent to. */
  readonly endpoints: Set<string> = new Set();
  protected readonly init: TriesInit;
  /** Attempts that were begun, but for those that never happened. The first is under way before this is made. */
  protected begun = 1;
  /** Whether the server wants no more of them. */
  isStopped = false;
  #failures = 0;
  #unsent = 0;
  #refused = 0;
  #last: Failure | undefined;
  /** Why no other attempt followed. */
  #note: string | undefined;

  constructor(init: TriesInit) {
    this.init = init;
  }

  /** Whether a further attempt is within the rule. */
  abstract readonly hasMore: boolean;
  /** Whether one that never happened is repeated, too, while others are under way. */
  protected abstract readonly isParallel: boolean;
  /** What follows a failure of which the server may have seen the request. */
  protected abstract judgeProcessed(failure: Failure): Verdict;

  /** An attempt begins. Returns how many there were before. */
  begin(): number {
    this.#note = undefined;
    return this.begun++;
  }

  /** The attempt that began last was not sent. */
  takeBack(): void {
    this.begun--;
  }

  /** The error of a call whose last failure was its end. What a server says stays as it is. */
  get lastError(): ConnectError {
    const { error, end } = this.#last as Failure;
    return end === undefined ? error : this.#describe(error);
  }

  /** The error of a call that finds no connection for another attempt: what ended the last one says more. */
  stranded(error: ConnectError): ConnectError {
    if (this.#last === undefined) return error;
    this.#note = `no other attempt: ${error.rawMessage}`;
    return this.lastError;
  }

  judge(failure: Failure): Verdict {
    this.#failures++;
    this.#last = failure;
    const { end, isAlone, isDue, isReplayable } = failure;
    if (end === undefined || end.fate === "ambiguous") return this.judgeProcessed(failure);
    this.begun--;
    if (isDue || !(isAlone || this.isParallel)) return goOn;
    const waitMs = this.#waitAfterNothing(end);
    if (waitMs === undefined) return isAlone ? fail : goOn;
    return isReplayable ? { kind: "again", waitMs } : this.tooLarge();
  }

  /** Says how many attempts there were, and why no other followed. */
  #describe(error: ConnectError): ConnectError {
    const notes = this.#failures > 1 ? [`${this.#failures} attempts`] : [];
    if (this.#note !== undefined) notes.push(this.#note);
    if (notes.length === 0) return error;
    const message = `${error.rawMessage} (${notes.join("; ")})`;
    return new ConnectError(message, error.code, error.metadata, undefined, error.cause);
  }

  protected tooLarge(): Verdict {
    this.#note = "too much of the request was sent to keep it";
    return fail;
  }

  protected withdraw(): boolean {
    if (this.init.budget.withdraw()) return true;
    this.#note = "the retry budget is spent";
    return false;
  }

  #waitAfterNothing({ fate, errorCode }: BrokenEnd): number | undefined {
    const { clock, startedMs } = this.init;
    if (clock.now() - startedMs > maxTransparentMs) return undefined;
    if (fate === "unsent") return this.#backoff(this.#unsent++);
    if (errorCode !== refusedStream) return 0;
    return this.#refused + 1 < maxRefusedAttempts ? this.#backoff(this.#refused++) : undefined;
  }

  /** None before the first retry, then growing. */
  #backoff(retries: number): number {
    return retries === 0 ? 0 : backoffDelay(retries, this.init.random, transparentBackoff);
  }
}

/** One attempt after the other (gRFC A6, "Retry Policy"). Another one is under way only where the first is suspect. */
export class Retries extends Tries {
  protected readonly isParallel = false;
  readonly #rule: RetryRule | undefined;
  /** Since the server said when to come back. */
  #retries = 0;

  /** Without a rule only what never happened is repeated. */
  constructor(init: TriesInit, rule: RetryRule | undefined) {
    super(init);
    this.#rule = rule;
  }

  get hasMore(): boolean {
    return this.#rule !== undefined && !this.isStopped && this.begun < this.#rule.maxAttempts;
  }

  protected judgeProcessed({ error, end, isAlone, isReplayable }: Failure): Verdict {
    const rule = this.#rule;
    const isLost = end !== undefined;
    const isRetryable = rule !== undefined && (rule.codes.has(error.code) || (isLost && this.init.isIdempotent));
    const pushback = pushbackOf(error);
    if (pushback === "stop") this.isStopped = true;
    if (!isAlone) return isRetryable || isLost ? goOn : fail;
    if (!isRetryable || !this.hasMore || pushback === "stop") return fail;
    if (!isReplayable) return this.tooLarge();
    if (!this.withdraw()) return fail;
    if (pushback !== undefined) {
      this.#retries = 0;
      return { kind: "again", waitMs: pushback };
    }
    this.#retries++;
    // a connection that is lost says nothing of the others
    if (isLost && this.begun === 1) return atOnce;
    return { kind: "again", waitMs: backoffDelay(this.#retries, this.init.random, rule.backoff) };
  }
}

/** Attempts that do not wait for one another's failure (gRFC A6, "Hedging Policy"). */
export class Hedges extends Tries {
  protected readonly isParallel = true;
  readonly #rule: HedgingRule;

  constructor(init: TriesInit, rule: HedgingRule) {
    super(init);
    this.#rule = rule;
  }

  /** Milliseconds until the next attempt while those under way bring nothing; `undefined` when none follows. */
  get delayMs(): number | undefined {
    return this.hasMore ? this.#rule.delayMs : undefined;
  }

  get hasMore(): boolean {
    return !this.isStopped && this.begun < this.#rule.maxAttempts;
  }

  /** Whether the attempt that is due may begin; it is paid for then. */
  mayBegin(): boolean {
    return this.hasMore && this.withdraw();
  }

  protected judgeProcessed({ error, end, isAlone, isDue, isReplayable }: Failure): Verdict {
    if (end === undefined && !this.#rule.codes.has(error.code)) return fail;
    const pushback = pushbackOf(error);
    if (pushback === "stop") this.isStopped = true;
    else if (isDue) return goOn;
    else if (isReplayable && this.mayBegin()) {
      return pushback === undefined ? atOnce : { kind: "again", waitMs: pushback };
    }
    return isAlone ? fail : goOn;
  }
}

const pushbackHeader = "grpc-retry-pushback-ms";

/** What the server says of the next attempt: milliseconds to wait, or that there is to be none. */
function pushbackOf({ metadata }: ConnectError): number | "stop" | undefined {
  const text = metadata.get(pushbackHeader);
  if (text === null) return undefined;
  return /^(?:0|[1-9]\d{0,9})$/.test(text) && Number(text) <= 2 ** 31 - 1 ? Number(text) : "stop";
}
