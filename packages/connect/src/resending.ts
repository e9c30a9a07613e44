import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { BackoffOptions } from "@evenkeel/core";
import { checkResending, type HedgingPolicy, type ResendingOptions, type RetryPolicy } from "./resending-options.ts";

/** A retry policy with all of its defaults. */
export interface RetryRule {
  readonly maxAttempts: number;
  readonly backoff: BackoffOptions;
  readonly codes: ReadonlySet<Code>;
}

/** A hedging policy with all of its defaults. */
export interface HedgingRule {
  readonly maxAttempts: number;
  readonly delayMs: number;
  readonly codes: ReadonlySet<Code>;
}

/** What is known of sending the RPCs of a method again. At most one of the two rules is there. */
export interface Resending {
  readonly isIdempotent: boolean;
  readonly retry: RetryRule | undefined;
  readonly hedging: HedgingRule | undefined;
  /** Whether a second attempt may begin while the first one's connection is suspect. */
  readonly isRescuable: boolean;
}

/** Which rule a method has: that of its own name, else that of its service, else the transport's. */
export class ResendingRules {
  readonly #options: ResendingOptions;

  /** Throws a `TypeError` or `RangeError` that names the option. */
  constructor(options: ResendingOptions) {
    checkResending(options);
    this.#options = options;
  }

  of(method: DescMethod): Resending {
    const { NO_SIDE_EFFECTS, IDEMPOTENT } = MethodOptions_IdempotencyLevel;
    const isIdempotent = method.idempotency === NO_SIDE_EFFECTS || method.idempotency === IDEMPOTENT;
    const isOneMessage = method.methodKind === "unary" || method.methodKind === "server_streaming";
    const retry = this.#options.retry === false ? undefined : (this.#options.retry ?? {});
    let hedging = isOneMessage && this.#options.hedging ? this.#options.hedging : undefined;
    const hedged = (policy: HedgingPolicy): Resending => ({ ...nothing, isIdempotent, hedging: hedgingRule(policy) });
    const retried = (policy: RetryPolicy): Resending => {
      const rule = retryRule(policy);
      const isRescuable = isOneMessage && (isIdempotent || rule.codes.has(Code.Unavailable));
      return { ...nothing, isIdempotent, isRescuable, retry: rule };
    };
    const { typeName } = method.parent;
    for (const name of [`${typeName}/${method.name}`, typeName]) {
      const hedge = hedging?.methods?.[name];
      if (hedge) return hedged({ ...hedging, ...hedge });
      const again = retry?.methods?.[name];
      if (again) return retried({ ...retry, ...again });
      if (again === false) return { ...nothing, isIdempotent }; // whatever wider names say
      if (hedge === false) hedging = undefined;
    }
    if (isIdempotent && hedging?.hedgingDelayMs !== undefined) return hedged(hedging);
    return isIdempotent && retry !== undefined ? retried(retry) : { ...nothing, isIdempotent };
  }
}

const nothing = { retry: undefined, hedging: undefined, isRescuable: false } as const;
const lost: readonly Code[] = [Code.Unavailable];

function retryRule(policy: RetryPolicy): RetryRule {
  const { maxAttempts = 3, initialBackoffMs = 50, maxBackoffMs = 1_000 } = policy;
  const { backoffMultiplier: multiplier = 2, retryableCodes = lost } = policy;
  const backoff = { initialMs: initialBackoffMs, maxMs: maxBackoffMs, multiplier, jitter: 0.2 };
  return { maxAttempts, backoff, codes: new Set(retryableCodes) };
}

function hedgingRule({ maxAttempts = 2, hedgingDelayMs = 0, nonFatalCodes = lost }: HedgingPolicy): HedgingRule {
  return { maxAttempts, delayMs: hedgingDelayMs, codes: new Set(nonFatalCodes) };
}
