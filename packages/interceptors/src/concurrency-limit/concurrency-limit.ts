import { Code, ConnectError, type Interceptor, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import {
  type Clock,
  checkKeys,
  clockOption,
  jitter,
  maxTimerMs,
  numberOption,
  type Random,
  systemClock,
  systemRandom,
  typeOption,
} from "@evenkeel/core";
import { observeMessages } from "../observed-messages.ts";
import { requestTimeoutMs } from "../request-timeout.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { type Ending, Limiter } from "./limiter.ts";

export interface ConcurrencyLimitOptions {
  /** The limit before anything is learnt, in RPCs. From `minLimit` to `maxLimit`. Default 20. */
  readonly initialLimit?: number;
  /**
   * The limit never falls below, in RPCs: so many at a time are taken to wait for nothing. An integer from 1. Default 5.
   */
  readonly minLimit?: number;
  /** The limit never rises above, in RPCs. An integer from `minLimit` to 1 000 000. Default 1 000. */
  readonly maxLimit?: number;
  /** How many times as long as alone RPCs may take before the limit falls. From 1 to 10. Default 1.5. */
  readonly tolerance?: number;
  /** How much of the way to its new value the limit goes at once. From 0.01 to 1. Default 0.2. */
  readonly smoothing?: number;
  /**
   * While RPCs are being rejected: how often, in milliseconds, the limit is cut to a quarter for some round trips, to
   * measure how long RPCs take alone. At first it is sooner. From 100. Default 30 000.
   */
  readonly probeIntervalMs?: number;
  /** What rejected clients are told to wait, in milliseconds, ±50 %; up to an hour, or -1 for
   * "do not try again". Default 100. */
  readonly retryPushbackMs?: number;
  /**
   * Whether streaming RPCs have places, too, which they hold to their end. Default false: a stream lasts as long as its
   * client likes, and many that wait for news would leave no place for work.
   */
  readonly streams?: boolean;
  /** RPCs that are neither counted nor rejected, besides those of grpc.health.v1.Health, which never are. Default none. */
  readonly bypass?: (request: UnaryRequest | StreamRequest) => boolean;
  /** Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
  /** Default: Math.random. */
  readonly random?: Random;
}

/** An interceptor, and what can be seen of its limit. */
export interface ConcurrencyLimit extends Interceptor {
  snapshot(): ConcurrencyLimitSnapshot;
}

/** The state of a limit, as plain JSON. */
export interface ConcurrencyLimitSnapshot {
  /** RPCs at a time. */
  readonly limit: number;
  /** RPCs that have a place. */
  readonly inFlight: number;
  /** Whether fewer than `limit` are let in for a moment, to measure `baseMs`. */
  readonly isProbing: boolean;
  /** What RPCs took in the last window, in milliseconds; undefined before the first one. */
  readonly rttMs: number | undefined;
  /** What they take alone. */
  readonly baseMs: number | undefined;
  /** Since the creation: RPCs that got a place, that got none, and that were too late. */
  readonly begun: number;
  readonly rejected: number;
  readonly dropped: number;
}

const names = [
  "initialLimit",
  "minLimit",
  "maxLimit",
  "tolerance",
  "smoothing",
  "probeIntervalMs",
  "retryPushbackMs",
  "streams",
  "bypass",
  "clock",
  "random",
];
const healthService = "grpc.health.v1.Health";
/** A client's deadline and ours pass together, or nearly: a cancellation then is one by the deadline. */
const deadlineShare = 0.9;

/**
 * Limits how many RPCs a server works on at a time, and learns the limit from how long they take. What is above it is
 * rejected before its handler is called, with `ResourceExhausted` and `grpc-retry-pushback-ms` in the metadata (gRFC
 * A6). See `AdaptiveLimit` for how it learns.
 *
 * An RPC has its place until its handler is done, or its signal aborts. It counts for the limit when it is answered; as
 * too late when its deadline passed; failures and cancellations do not count.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions = {}): ConcurrencyLimit {
  checkKeys("concurrencyLimit", options, names);
  const { retryPushbackMs = 100, streams = false, bypass, clock = systemClock, random = systemRandom } = options;
  numberOption("retryPushbackMs", retryPushbackMs, { min: -1, max: 3_600_000, unit: "milliseconds", integer: true });
  typeOption("streams", streams, "boolean");
  if (bypass !== undefined) typeOption("bypass", bypass, "function");
  const limit = new AdaptiveLimit({
    ...limitSettings(options),
    clock: clockOption(clock),
    random: typeOption("random", random, "function"),
  });
  const limiter = new Limiter(limit);

  const passes = (request: UnaryRequest | StreamRequest): boolean =>
    (request.stream && !streams) || request.service.typeName === healthService || bypass?.(request) === true;

  const interceptor: Interceptor = (next) => async (request) => {
    if (passes(request)) return next(request);
    const { signal } = request;
    if (signal.aborted) throw ConnectError.from(signal.reason, Code.Canceled); // its place could not be given back
    // how long a client takes to send its messages tells nothing
    const kind = request.method.methodKind;
    const place = limiter.tryBegin(kind === "unary" || kind === "server_streaming");
    if (place === undefined) throw rejection(limit.bound, retryPushbackMs, random);
    const startedMs = clock.now();
    const failed = (error: unknown): Ending => endingOf(error, request.header, clock.now() - startedMs);
    const onAbort = (): void => place.release(failed(signal.reason));
    const end = (ending: Ending): void => {
      signal.removeEventListener("abort", onAbort);
      place.release(ending);
    };
    signal.addEventListener("abort", onAbort);
    try {
      const response = await next(request);
      if (!response.stream) {
        end("succeeded");
        return response;
      }
      // a stream without a message is answered by its end
      const observer = {
        message: (): void => place.time("succeeded"),
        end: (error: unknown, isComplete: boolean): void => end(isComplete ? "succeeded" : failed(error)),
      };
      return { ...response, message: observeMessages(response.message, observer) };
    } catch (error) {
      end(failed(error));
      throw error;
    }
  };
  const snapshot = (): ConcurrencyLimitSnapshot => ({
    limit: limit.limit,
    inFlight: limiter.inFlight,
    isProbing: limit.isProbing,
    rttMs: limit.rttMs,
    baseMs: limit.baseMs,
    begun: limiter.begun,
    rejected: limiter.rejected,
    dropped: limiter.dropped,
  });
  return Object.assign(interceptor, { snapshot });
}

function limitSettings(options: ConcurrencyLimitOptions) {
  const { minLimit = 5, maxLimit = 1_000, initialLimit = Math.min(Math.max(20, minLimit), maxLimit) } = options;
  const { tolerance = 1.5, smoothing = 0.2, probeIntervalMs = 30_000 } = options;
  numberOption("minLimit", minLimit, { min: 1, max: 1_000_000, unit: "RPCs", integer: true });
  numberOption("maxLimit", maxLimit, { min: minLimit, max: 1_000_000, unit: "RPCs", integer: true });
  numberOption("initialLimit", initialLimit, { min: minLimit, max: maxLimit, unit: "RPCs", integer: true });
  numberOption("tolerance", tolerance, { min: 1, max: 10 });
  numberOption("smoothing", smoothing, { min: 0.01, max: 1 });
  numberOption("probeIntervalMs", probeIntervalMs, { min: 100, max: maxTimerMs, unit: "milliseconds" });
  return { initialLimit, minLimit, maxLimit, tolerance, smoothing, probeIntervalMs };
}

function endingOf(error: unknown, header: Headers, tookMs: number): Ending {
  const { code } = ConnectError.from(error);
  if (code === Code.DeadlineExceeded) return "dropped";
  const timeoutMs = code === Code.Canceled ? requestTimeoutMs(header) : undefined;
  return timeoutMs !== undefined && tookMs >= timeoutMs * deadlineShare ? "dropped" : "ignored";
}

function rejection(limit: number, retryPushbackMs: number, random: Random): ConnectError {
  const pushbackMs = retryPushbackMs < 0 ? -1 : Math.round(jitter(random, retryPushbackMs, 0.5));
  const message = `the limit of ${limit} RPCs at a time is reached`;
  return new ConnectError(message, Code.ResourceExhausted, { "grpc-retry-pushback-ms": String(pushbackMs) });
}
