import { hostname } from "node:os";
import { type Clock, maxDelayMs, type Random, systemClock } from "./clock.ts";

/** Options of `createLifecycle()`. Times are in milliseconds, up to 2 147 483 647. */
export interface LifecycleOptions {
  /**
   * Retires each connection at this age, ±10 % so that a fleet does not rotate at once (gRFC A9, MAX_CONNECTION_AGE).
   * Above 0. Default: Infinity, never.
   */
  readonly maxConnectionAgeMs?: number;
  /**
   * How long the streams of a retired connection may take to finish, counted from its first GOAWAY; then its socket is
   * destroyed (gRFC A9, MAX_CONNECTION_AGE_GRACE). Default: Infinity.
   */
  readonly maxConnectionAgeGraceMs?: number;
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

/** Options with their defaults filled in, all checked. */
export type Settings = Required<LifecycleOptions>;

/** @throws TypeError or RangeError that names the option and what it allows. */
export function resolveOptions(options: LifecycleOptions): Settings {
  const settings: Settings = {
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? Number.POSITIVE_INFINITY,
    maxConnectionAgeGraceMs: options.maxConnectionAgeGraceMs ?? Number.POSITIVE_INFINITY,
    readinessDelayMs: options.readinessDelayMs ?? 5_000,
    drainTimeoutMs: options.drainTimeoutMs ?? 20_000,
    goawayNoticeTimeoutMs: options.goawayNoticeTimeoutMs ?? 5_000,
    goawayPingTimeoutMs: options.goawayPingTimeoutMs ?? 5_000,
    podName: options.podName ?? (process.env["POD_NAME"] || hostname()),
    exit: options.exit ?? true,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
  checkTime(settings, "maxConnectionAgeMs", { above: 0, infinity: true });
  checkTime(settings, "maxConnectionAgeGraceMs", { infinity: true });
  checkTime(settings, "readinessDelayMs");
  checkTime(settings, "drainTimeoutMs", { infinity: true });
  checkTime(settings, "goawayNoticeTimeoutMs");
  checkTime(settings, "goawayPingTimeoutMs");
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

type TimeOption = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings];

function checkTime(
  settings: Settings,
  name: TimeOption,
  allowed: { readonly above?: number; readonly infinity?: boolean } = {},
): void {
  const value = settings[name];
  const range = `${allowed.above === undefined ? "from 0" : `above ${allowed.above}`} to ${maxDelayMs} milliseconds${allowed.infinity === true ? ", or Infinity" : ""}`;
  if (typeof value !== "number") throw new TypeError(`${name} must be a number ${range}: ${typeof value}`);
  const finite = allowed.above === undefined ? value >= 0 : value > allowed.above;
  const within = value === Number.POSITIVE_INFINITY ? allowed.infinity === true : finite && value <= maxDelayMs;
  if (!within) throw new RangeError(`${name} must be ${range}: ${value}`);
}

function checkType(settings: Settings, name: keyof Settings, type: "string" | "boolean" | "function"): void {
  const actual = typeof settings[name];
  if (actual !== type) throw new TypeError(`${name} must be a ${type}: ${actual}`);
}
