import { hostname } from "node:os";
import { type Clock, maxDelayMs, type Random, systemClock } from "./clock.ts";

/**
 * What may change while a lifecycle runs, by `lifecycle.update()`. Times are in milliseconds, up to 2 147 483 647.
 * The names are gRPC's where gRPC has one (gRFC A8, gRFC A9).
 */
export interface ChangeableOptions {
  /**
   * Retires each connection at this age, ±10 % so that a fleet does not rotate at once (gRFC A9, MAX_CONNECTION_AGE).
   * Above 0. Default: Infinity, never.
   */
  readonly maxConnectionAgeMs?: number;
  /**
   * How long the streams of a retired connection may take to finish, counted from its first GOAWAY; then its socket is
   * destroyed (gRFC A9, MAX_CONNECTION_AGE_GRACE). HTTP/1.1: counted from the retirement, and anew for a request that
   * arrives after it. Default: Infinity.
   */
  readonly maxConnectionAgeGraceMs?: number;
  /**
   * Retires an HTTP/2 connection that has had no stream for so long (gRFC A9, MAX_CONNECTION_IDLE). Above 0. Default:
   * Infinity. For HTTP/1.1 the server's own `keepAliveTimeout` does it.
   */
  readonly maxConnectionIdleMs?: number;
  /**
   * Sends a PING on an HTTP/2 connection on which nothing was read for so long (gRFC A8): it comes after one to two
   * times this. Above 0. Default: 7 200 000, two hours. Infinity: never.
   */
  readonly keepaliveTimeMs?: number;
  /** Destroys the socket if nothing at all was read for so long after that PING (gRFC A8). Default: 20 000. */
  readonly keepaliveTimeoutMs?: number;
  /**
   * A client whose PINGs come at shorter intervals, more than twice with no response in between, is told so by a GOAWAY
   * with ENHANCE_YOUR_CALM and "too_many_pings", and gets no further streams (gRFC A8, PERMIT_KEEPALIVE_TIME; gRPC
   * servers have 300 000). Default: 0, which allows all.
   */
  readonly minPingIntervalMs?: number;
  /**
   * SETTINGS_MAX_CONCURRENT_STREAMS: so many streams a client may have open on one HTTP/2 connection. From 1 to
   * 4 294 967 295. Default: Infinity, which leaves the server's own `settings` alone.
   */
  readonly maxConcurrentStreams?: number;
  /**
   * So many connections may be open, of all managed servers together; those above are closed as they arrive, before a
   * byte of them is read. From 1. Default: Infinity.
   */
  readonly maxConnections?: number;
  /**
   * Ends an HTTP/1.1 connection with the response to its request of this number (`Connection: close`). From 1.
   * Default: Infinity.
   */
  readonly maxRequestsPerConnection?: number;
  /**
   * At this age, ±10 %, a streaming RPC gets a hint to end: its context value `streamAgeSignal` aborts. Needs
   * `lifecycle.interceptor`. Above 0. Default: Infinity.
   */
  readonly maxStreamAgeMs?: number;
  /**
   * How long `shutdown()` goes on serving after readiness turned false, so that load balancers and clients learn of it
   * before connections end. Default: 5 000.
   */
  readonly readinessDelayMs?: number;
  /**
   * How long `shutdown()` waits for connections and RPCs to finish, counted from the end of listening; then it destroys
   * the sockets. May be Infinity. Default: 20 000, which with `readinessDelayMs` fits the 30 s that Kubernetes grants.
   */
  readonly drainTimeoutMs?: number;
  /**
   * How long a retirement waits for a moment at which the first GOAWAY can be written between two frames. A slow reader
   * of a large response can keep the connection's write queue full; past this time the connection is retired with a
   * single GOAWAY, and RPCs that are under way from the client at that moment are lost. Default: 5 000.
   */
  readonly goawayNoticeTimeoutMs?: number;
  /**
   * How long a retirement waits for the answer to the PING that follows the first GOAWAY (RFC 9113, section 6.8: at
   * least one round trip). Streams are accepted meanwhile, so waiting costs a live client nothing; a short wait loses
   * the RPCs of a client that was stalled for longer. Also how long a TLS handshake may last once the server drains.
   * Default: 5 000, as in grpc-go.
   */
  readonly goawayPingTimeoutMs?: number;
}

/** Options of `createLifecycle()`. */
export interface LifecycleOptions extends ChangeableOptions {
  /**
   * The pod's identity, sent in the response header of the RPCs that pass `lifecycle.interceptor`. Visible ASCII, since
   * it is the value of a header. Default: the environment's POD_NAME, else the host name.
   */
  readonly podName?: string;
  /** Whether `shutdownOnSignals()` ends the process, with code 0, when the shutdown is done. Default: true. */
  readonly exit?: boolean;
  /** Default: the system's monotonic clock. */
  readonly clock?: Clock;
  /** Default: Math.random. */
  readonly random?: Random;
}

/** Changeable options with their defaults filled in, all checked. */
export type Limits = Required<ChangeableOptions>;

/** Options with their defaults filled in, all checked. The limits may change. */
export type Settings = Limits & Required<LifecycleOptions>;

/** What a number may be. */
export interface Range {
  readonly least: number;
  /** Whether `least` itself is out. */
  readonly exclusive?: boolean;
  readonly most: number;
  readonly infinity?: boolean;
  readonly unit: " milliseconds" | "";
}

export const time: Range = { least: 0, most: maxDelayMs, unit: " milliseconds" };
const timeOrNever: Range = { ...time, infinity: true };
const timeAboveZeroOrNever: Range = { ...timeOrNever, exclusive: true };
const count: Range = { least: 1, most: 2 ** 32 - 1, infinity: true, unit: "" };

const limits: { readonly [K in keyof Limits]: readonly [defaultValue: number, range: Range] } = {
  maxConnectionAgeMs: [Number.POSITIVE_INFINITY, timeAboveZeroOrNever],
  maxConnectionAgeGraceMs: [Number.POSITIVE_INFINITY, timeOrNever],
  maxConnectionIdleMs: [Number.POSITIVE_INFINITY, timeAboveZeroOrNever],
  keepaliveTimeMs: [7_200_000, timeAboveZeroOrNever],
  keepaliveTimeoutMs: [20_000, time],
  minPingIntervalMs: [0, time],
  maxConcurrentStreams: [Number.POSITIVE_INFINITY, count],
  maxConnections: [Number.POSITIVE_INFINITY, count],
  maxRequestsPerConnection: [Number.POSITIVE_INFINITY, count],
  maxStreamAgeMs: [Number.POSITIVE_INFINITY, timeAboveZeroOrNever],
  readinessDelayMs: [5_000, time],
  drainTimeoutMs: [20_000, timeOrNever],
  goawayNoticeTimeoutMs: [5_000, time],
  goawayPingTimeoutMs: [5_000, time],
};
const limitNames = Object.keys(limits) as (keyof Limits)[];
const fixedNames = ["podName", "exit", "clock", "random"];

/** @throws TypeError or RangeError that names the option and what it allows. */
export function resolveOptions(options: LifecycleOptions): Settings {
  checkObject(options);
  checkNames(options, [...limitNames, ...fixedNames]);
  const defaults = Object.fromEntries(limitNames.map((name) => [name, limits[name][0]])) as Limits;
  const settings: Settings = {
    ...resolveLimits(defaults, options),
    podName: given(options.podName, process.env["POD_NAME"] || hostname()),
    exit: given(options.exit, true),
    clock: given(options.clock, systemClock),
    random: given(options.random, Math.random),
  };
  checkType(settings, "podName", "string");
  if (!/^[\x21-\x7e]+$/.test(settings.podName)) {
    throw new RangeError(
      `podName must be visible ASCII characters, since it is sent as a header: ${JSON.stringify(settings.podName)}`,
    );
  }
  checkType(settings, "exit", "boolean");
  checkType(settings, "random", "function");
  if (typeof settings.clock?.now !== "function" || typeof settings.clock.setTimeout !== "function") {
    throw new TypeError("clock must be an object with the functions now and setTimeout");
  }
  return settings;
}

/**
 * @returns the present limits with the changes, where `undefined` changes nothing
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function changeLimits(present: Limits, changes: ChangeableOptions): Limits {
  checkObject(changes);
  const fixed = fixedNames.find((name) => name in changes);
  if (fixed !== undefined) throw new TypeError(`${fixed} cannot change: give it to createLifecycle()`);
  checkNames(changes, limitNames);
  return resolveLimits(present, changes);
}

function resolveLimits(present: Limits, changes: ChangeableOptions): Limits {
  const entries = limitNames.map((name) => {
    const value = given(changes[name], present[name]);
    checkNumber(name, value, limits[name][1]);
    return [name, value] as const;
  });
  return Object.fromEntries(entries) as unknown as Limits;
}

/** Unlike `??` it lets a null through, to the checks. */
function given<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

function checkObject(options: unknown): void {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(`the options must be an object: ${options === null ? "null" : typeof options}`);
}

function checkNames(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(`there is no option ${unknown}: known are ${known.join(", ")}`);
}

/** @throws TypeError or RangeError that names the option and what it allows. */
export function checkNumber(name: string, value: unknown, range: Range): void {
  const { least, exclusive = false, most, infinity = false, unit } = range;
  const kind = unit === "" ? "an integer" : "a number";
  const allowed = `${exclusive ? `above ${least}` : `from ${least}`} to ${most}${unit}${infinity ? ", or Infinity" : ""}`;
  if (typeof value !== "number") throw new TypeError(`${name} must be ${kind} ${allowed}: ${typeof value}`);
  if (value === Number.POSITIVE_INFINITY && infinity) return;
  const within = (exclusive ? value > least : value >= least) && value <= most;
  if (!within || (unit === "" && !Number.isInteger(value))) {
    throw new RangeError(`${name} must be ${unit === "" ? `${kind} ` : ""}${allowed}: ${value}`);
  }
}

function checkType(settings: Settings, name: keyof Settings, type: "string" | "boolean" | "function"): void {
  const actual = typeof settings[name];
  if (actual !== type) throw new TypeError(`${name} must be a ${type}: ${actual}`);
}
