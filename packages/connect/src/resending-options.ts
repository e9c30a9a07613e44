import { Code } from "@connectrpc/connect";
import { checkKeys, durationOption, maxTimerMs, numberOption } from "@evenkeel/core";

/** When and how often a failed RPC is sent again (gRFC A6, "Retry Policy"). All times in milliseconds. */
export interface RetryPolicy {
  /** With the first one: 2 to 5. Default 3. */
  readonly maxAttempts?: number;
  /** Before the first retry; each delay is spread evenly over ±20 % of itself. Default 50. */
  readonly initialBackoffMs?: number;
  /** The longest delay. Default 1 000. */
  readonly maxBackoffMs?: number;
  /** How much longer each delay is than the one before: 1 to 100. Default 2. */
  readonly backoffMultiplier?: number;
  /** What is tried again. Default `[Code.Unavailable]`. */
  readonly retryableCodes?: readonly Code[];
}

/** The policy of a transport, for methods that are idempotent by their `idempotency_level`, and those of others. */
export interface RetryOptions extends RetryPolicy {
  /**
   * By `"package.Service/Method"` or `"package.Service"`; what is left out is as above. `false`: never, and never
   * hedged unless `hedging` names the same. A policy counts
   * **whatever the method's `idempotency_level`**, and also where nobody knows whether the server has done the work: it
   * says that the method may be carried out several times.
   */
  readonly methods?: Readonly<Record<string, RetryPolicy | false>>;
}

/** When an RPC is sent to a further pod though none has failed (gRFC A6, "Hedging Policy"). All times in milliseconds. */
export interface HedgingPolicy {
  /** With the first one: 2 to 5. Default 2. */
  readonly maxAttempts?: number;
  /** Between one attempt and the next, from 0: all at once. Has to be given. */
  readonly hedgingDelayMs?: number;
  /** Errors that do not end the RPC while others go on, but have the next attempt follow at once. Default `[Code.Unavailable]`. */
  readonly nonFatalCodes?: readonly Code[];
}

/**
 * The policy of a transport, for unary and server-streaming methods that are idempotent by their `idempotency_level`
 * where `hedgingDelayMs` is given, and those of others.
 */
export interface HedgingOptions extends HedgingPolicy {
  /** As in `RetryOptions`: what is named here **is carried out several times**, whatever its `idempotency_level`. */
  readonly methods?: Readonly<Record<string, HedgingPolicy | false>>;
}

/** The two options, as users give them. */
export interface ResendingOptions {
  readonly retry?: RetryOptions | false;
  readonly hedging?: HedgingOptions | false;
}

const retryKeys = ["maxAttempts", "initialBackoffMs", "maxBackoffMs", "backoffMultiplier", "retryableCodes"];
const hedgingKeys = ["maxAttempts", "hedgingDelayMs", "nonFatalCodes"];
const methodName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\/[A-Za-z_]\w*)?$/;
const attempts = { min: 2, max: 5, integer: true };

/** Throws a `TypeError` or `RangeError` that names the option. */
export function checkResending({ retry = {}, hedging = false }: ResendingOptions): void {
  if (retry !== false) checkPolicies("retry", retry, retryKeys, checkRetry);
  if (hedging !== false) checkPolicies("hedging", hedging, hedgingKeys, checkHedging);
  if (retry === false || hedging === false) return;
  const own = retryKeys.find((key) => key in retry);
  if (own !== undefined && hedging.hedgingDelayMs !== undefined) {
    throw new TypeError(
      `hedging with retry.${own}: an RPC is either retried or hedged; name methods for one of the two`,
    );
  }
  for (const [name, policy] of Object.entries(hedging.methods ?? {})) {
    if (policy === false || !retry.methods?.[name]) continue;
    throw new TypeError(
      `hedging.methods["${name}"] with retry.methods["${name}"]: a method is either retried or hedged`,
    );
  }
}

/** `isWhole`: whether it is the policy of methods, and not what methods may take from. */
type Check<P> = (option: string, policy: P, isWhole: boolean) => void;

function checkPolicies<P extends object>(
  option: string,
  options: P & { readonly methods?: Readonly<Record<string, P | false>> },
  keys: readonly string[],
  check: Check<Omit<P, "methods">>,
): void {
  checkObject(option, options, "an object, or false");
  const { methods, ...base } = options;
  checkKeys(option, base, [...keys, "methods"]);
  check(option, base, methods === undefined);
  if (methods === undefined) return;
  checkObject(`${option}.methods`, methods, "an object");
  for (const [name, policy] of Object.entries(methods)) {
    if (!methodName.test(name)) {
      const expected = 'expected "package.Service/Method" or "package.Service"';
      throw new TypeError(`${option}.methods: ${expected}, got "${name}"`);
    }
    if (policy === false) continue;
    const own = `${option}.methods["${name}"]`;
    checkObject(own, policy, "an object, or false");
    checkKeys(own, policy, keys);
    check(own, { ...base, ...policy }, true);
  }
}

function checkObject(name: string, value: unknown, expected: string): void {
  const isObject = typeof value === "object" && value !== null;
  if (isObject && [Object.prototype, null].includes(Object.getPrototypeOf(value))) return;
  throw new TypeError(`${name}: expected ${expected}, got ${String(value)}`);
}

function checkRetry(option: string, policy: RetryPolicy): void {
  const { maxAttempts = 3, initialBackoffMs = 50, maxBackoffMs = 1_000, backoffMultiplier = 2 } = policy;
  numberOption(`${option}.maxAttempts`, maxAttempts, attempts);
  timeOption(`${option}.initialBackoffMs`, initialBackoffMs);
  timeOption(`${option}.maxBackoffMs`, maxBackoffMs);
  numberOption(`${option}.backoffMultiplier`, backoffMultiplier, { min: 1, max: 100 });
  if (maxBackoffMs < initialBackoffMs) {
    throw new RangeError(
      `${option}.maxBackoffMs: expected at least the initialBackoffMs of ${initialBackoffMs}, got ${maxBackoffMs}`,
    );
  }
  checkCodes(`${option}.retryableCodes`, policy.retryableCodes, 1);
}

function checkHedging(option: string, policy: HedgingPolicy, isWhole: boolean): void {
  const { maxAttempts = 2, hedgingDelayMs } = policy;
  numberOption(`${option}.maxAttempts`, maxAttempts, attempts);
  checkCodes(`${option}.nonFatalCodes`, policy.nonFatalCodes, 0);
  if (hedgingDelayMs !== undefined) {
    numberOption(`${option}.hedgingDelayMs`, hedgingDelayMs, { min: 0, max: maxTimerMs, unit: "milliseconds" });
  } else if (isWhole) throw new TypeError(`${option}.hedgingDelayMs: expected milliseconds, got none`);
}

function timeOption(name: string, value: number): void {
  if (durationOption(name, value) > maxTimerMs) {
    throw new RangeError(`${name}: expected at most ${maxTimerMs} milliseconds, got ${value}`);
  }
}

function checkCodes(name: string, codes: readonly Code[] | undefined, atLeast: 0 | 1): void {
  if (codes === undefined) return;
  const isList = Array.isArray(codes) && codes.length >= atLeast;
  if (!isList || !codes.every((code) => typeof code === "number" && code in Code)) {
    throw new TypeError(`${name}: expected codes such as [Code.Unavailable], got ${JSON.stringify(codes)}`);
  }
}
