import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { backoffDelay, type Channel, type Clock, type Random, type RetryBudget, type StatusCode } from "@evenkeel/core";
import { Attempt } from "./attempt.ts";
import type { BrokenEnd } from "./errors.ts";
import { Replay } from "./replay.ts";

/** Attempts of an idempotent RPC whose fate stays ambiguous. */
const maxAmbiguousAttempts = 3;
/** Attempts of an RPC whose streams are refused. */
const maxRefusedAttempts = 5;
const refusedStream = 7;
/** How long connections may go on not taking an RPC, in milliseconds; its deadline may be earlier. */
const maxTransparentMs = 30_000;
const retryBackoff = { initialMs: 10, multiplier: 2, maxMs: 1_000, jitter: 0.2 };

export interface CallContext {
  readonly channel: Channel;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** Tells the HTTP client the attempt that a request with this signal is part of. */
  readonly begin: (signal: AbortSignal, attempt: Attempt) => void;
}

type Request = UnaryRequest | StreamRequest;
type Response = UnaryResponse | StreamResponse;

/**
 * The attempt loop, as the innermost interceptor: sends an RPC again when that cannot make it happen twice (its fate
 * is `unsent` or `unprocessed`), or may (it is `ambiguous`, and the method is idempotent).
 */
export function attemptLoop(context: CallContext): Interceptor {
  return (next) => async (request) => {
    context.budget.deposit();
    const replay = request.stream ? new Replay(request.message) : undefined;
    const tries = new Tries(request, context);
    const info = { path: `/${request.service.typeName}/${request.method.name}`, avoid: tries.endpoints };
    for (;;) {
      const attempt = new Attempt({
        now: () => context.clock.now(),
        info,
        isOneMessage: !request.stream || request.method.methodKind === "server_streaming",
        onCommit: () => replay?.commit(),
      });
      // an interceptor may give several calls the same signal, or one call to next twice
      const signal = AbortSignal.any([request.signal]);
      context.begin(signal, attempt);
      try {
        const response = await next(
          request.stream
            ? { ...request, signal, message: replay?.replay() ?? request.message }
            : { ...request, signal },
        );
        replay?.commit();
        return settled(response, request.signal, attempt, context);
      } catch (error) {
        const { end } = attempt; // as the server left it: what follows may end the stream
        report(context, attempt, error);
        attempt.cancel(ConnectError.from(error));
        if (request.signal.aborted || end?.kind !== "broken") throw error;
        const wait = tries.waitBeforeNext(attempt, end);
        if (wait === undefined) throw tries.describe(error);
        if (replay?.isReplayable === false) throw tries.describe(error, "too much of the request was sent to keep it");
        if (wait > 0) await sleep(wait, context.clock, request.signal);
      }
    }
  };
}

/** Decides whether another attempt follows, and when. */
class Tries {
  readonly #isIdempotent: boolean;
  readonly #context: CallContext;
  readonly #endpoints = new Set<string>();
  readonly #startedAt: number;
  #attempts = 0;
  #unsent = 0;
  #refused = 0;
  #ambiguous = 0;

  constructor(request: Request, context: CallContext) {
    const { idempotency } = request.method;
    this.#isIdempotent =
      idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ||
      idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENT;
    this.#context = context;
    this.#startedAt = context.clock.now();
  }

  /** Keys of the endpoints that were tried. */
  get endpoints(): ReadonlySet<string> {
    return this.#endpoints;
  }

  /** Milliseconds to wait before the next attempt; `undefined` when there is none. */
  waitBeforeNext({ connection }: Attempt, { fate, errorCode }: BrokenEnd): number | undefined {
    this.#attempts++;
    if (connection !== undefined) this.#endpoints.add(connection.endpoint.key);
    const { budget, clock } = this.#context;
    if (fate === "ambiguous") {
      const may = this.#isIdempotent && ++this.#ambiguous < maxAmbiguousAttempts;
      return may && budget.withdraw() ? 0 : undefined;
    }
    if (clock.now() - this.#startedAt > maxTransparentMs) return undefined;
    if (fate === "unsent") return this.#backoff(this.#unsent++);
    if (errorCode !== refusedStream) return 0;
    return this.#refused + 1 < maxRefusedAttempts ? this.#backoff(this.#refused++) : undefined;
  }

  /** The error of the call: that of its last attempt, and how many there were. */
  describe(error: unknown, note?: string): unknown {
    if (!(error instanceof ConnectError) || (this.#attempts === 1 && note === undefined)) return error;
    const notes = [
      ...(this.#attempts > 1 ? [`${this.#attempts} attempts`] : []),
      ...(note === undefined ? [] : [note]),
    ];
    return new ConnectError(
      `${error.rawMessage} (${notes.join("; ")})`,
      error.code,
      error.metadata,
      undefined,
      error.cause,
    );
  }

  /** None before the first retry, then growing. */
  #backoff(retries: number): number {
    return retries === 0 ? 0 : backoffDelay(retries, this.#context.random, retryBackoff);
  }
}

function settled(response: Response, signal: AbortSignal, attempt: Attempt, context: CallContext): Response {
  if (!response.stream) {
    report(context, attempt, undefined);
    return response;
  }
  return { ...response, message: reporting(response.message, signal, attempt, context) };
}

/** Passes messages through, and reports the outcome when they end, fail, or are given up. */
function reporting<T>(
  messages: AsyncIterable<T>,
  signal: AbortSignal,
  attempt: Attempt,
  context: CallContext,
): AsyncIterable<T> {
  let reported = false;
  const reportOnce = (error: unknown): void => {
    if (reported) return;
    reported = true;
    signal.removeEventListener("abort", onAbort);
    report(context, attempt, error);
  };
  const onAbort = (): void => reportOnce(signal.reason);
  signal.addEventListener("abort", onAbort);
  const iterator = messages[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        try {
          const result = await iterator.next();
          if (result.done === true) reportOnce(undefined);
          return result;
        } catch (error) {
          attempt.cancel(ConnectError.from(error));
          reportOnce(error);
          throw error;
        }
      },
    }),
  };
}

function report(context: CallContext, attempt: Attempt, error: unknown): void {
  const { connection } = attempt;
  if (connection === undefined) return;
  const code = error === undefined ? 0 : ConnectError.from(error, Code.Canceled).code;
  context.channel.report(connection, attempt.info, attempt.outcome(code as StatusCode));
}

function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = clock.setTimeout(
      () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
      ms,
      { ref: true },
    );
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
