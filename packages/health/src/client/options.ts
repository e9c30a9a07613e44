/**
 * How a connection's health is learnt: from `grpc.health.v1.Health/Watch` over gRPC on that connection (gRFC A17), or by
 * asking for an HTTP path on it again and again.
 */
export type HealthCheck = HealthWatchCheck | HealthPollCheck;

export interface HealthWatchCheck {
  /** The full name of the service, such as `shop.OrderService`; `""` for the server as a whole. */
  readonly service: string;
  /**
   * A connection whose watch brings no first answer in this time, in milliseconds, is unhealthy until it does. Default
   * 5 000.
   */
  readonly timeoutMs?: number;
}

export interface HealthPollCheck {
  /** The path of a GET request, such as `/readyz`. 2xx is healthy. */
  readonly path: string;
  /** From one answer to the next question, in milliseconds, ±10 %. Default 5 000. */
  readonly intervalMs?: number;
  /** An answer that takes longer, in milliseconds, is none. Default 2 000. */
  readonly timeoutMs?: number;
}

export type HealthCheckSettings =
  | { readonly kind: "watch"; readonly service: string; readonly timeoutMs: number }
  | { readonly kind: "poll"; readonly path: string; readonly intervalMs: number; readonly timeoutMs: number };

/** The longest time that timers take. */
const maxMs = 2 ** 31 - 1;

const shapes = "{ service, timeoutMs? } or { path, intervalMs?, timeoutMs? }";

/** Checks `healthCheck` and fills in its defaults. Throws a `TypeError` or `RangeError` that says what it must be. */
export function healthCheckSettings(check: HealthCheck): HealthCheckSettings {
  if (typeof check !== "object" || check === null || Array.isArray(check)) throw misshapen(JSON.stringify(check));
  const { service, path, intervalMs, timeoutMs, ...others } = check as Partial<HealthWatchCheck & HealthPollCheck>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw misshapen(`the key ${unknown}`);
  if (service !== undefined && path !== undefined) throw misshapen("both service and path");
  if (path !== undefined) {
    return {
      kind: "poll",
      path: pathOption(path),
      intervalMs: msOption("intervalMs", intervalMs ?? 5_000),
      timeoutMs: msOption("timeoutMs", timeoutMs ?? 2_000),
    };
  }
  if (service === undefined) throw misshapen("neither service nor path");
  if (intervalMs !== undefined) throw misshapen("service with intervalMs: a watch is told without being asked");
  if (typeof service !== "string") {
    throw new TypeError(`healthCheck.service must be the name of a service, or "", got ${JSON.stringify(service)}`);
  }
  return { kind: "watch", service, timeoutMs: msOption("timeoutMs", timeoutMs ?? 5_000) };
}

function misshapen(got: string): TypeError {
  return new TypeError(`healthCheck must be ${shapes}, got ${got}`);
}

/** Visible ASCII: what goes into a request line as it is. */
function pathOption(path: string): string {
  if (typeof path === "string" && /^\/[!-~]*$/.test(path) && !path.includes("#")) return path;
  throw new TypeError(`healthCheck.path must begin with "/" and be visible ASCII, got ${JSON.stringify(path)}`);
}

function msOption(name: string, value: number): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(
      `healthCheck.${name} must be a number of milliseconds, got ${Number.isNaN(value) ? value : JSON.stringify(value)}`,
    );
  }
  if (value > 0 && value <= maxMs) return value;
  throw new RangeError(`healthCheck.${name} must be above 0 and at most ${maxMs} milliseconds, got ${value}`);
}
