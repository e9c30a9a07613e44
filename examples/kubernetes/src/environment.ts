import { hostname } from "node:os";
import { parseTarget, type Target } from "@evenkeel/core";

/** The variables of a process, such as `process.env`. One that is empty counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ServerSettings {
  readonly podName: string;
  /** The address to listen on; empty: all. */
  readonly podIp: string;
  readonly port: number;
  readonly probePort: number;
  readonly readinessDelayMs: number;
  readonly drainTimeoutMs: number;
}

/** What the server reads from its environment. Throws a `RangeError` that names the variable. */
export function serverSettings(env: Environment): ServerSettings {
  return {
    podName: env["POD_NAME"] || hostname(),
    podIp: env["POD_IP"] ?? "",
    port: integerOf(env, "PORT", 8080, 0, 65_535),
    probePort: integerOf(env, "PROBE_PORT", 8081, 0, 65_535),
    readinessDelayMs: integerOf(env, "READINESS_DELAY_MS", 5_000, 0, 3_600_000),
    drainTimeoutMs: integerOf(env, "DRAIN_TIMEOUT_MS", 20_000, 0, 3_600_000),
  };
}

export interface ClientSettings {
  readonly target: Target;
  readonly resolver: "kubernetes" | "dns";
  /** Of the service account's token, CA and namespace; empty: the cluster's. */
  readonly directory: string;
  readonly probePort: number;
  /** RPCs per second. */
  readonly rate: number;
  readonly delayMs: number;
  readonly reportSeconds: number;
}

/** What the client reads from its environment. Throws a `RangeError`, or a `TypeError` for a malformed TARGET. */
export function clientSettings(env: Environment): ClientSettings {
  return {
    target: parseTarget(env["TARGET"] || "http://demo-server:8080"),
    resolver: wordOf(env, "RESOLVER", ["kubernetes", "dns"]),
    directory: env["SERVICE_ACCOUNT_DIRECTORY"] ?? "",
    probePort: integerOf(env, "PROBE_PORT", 8081, 0, 65_535),
    rate: integerOf(env, "RATE", 50, 1, 10_000),
    delayMs: integerOf(env, "DELAY_MS", 10, 0, 60_000),
    reportSeconds: integerOf(env, "REPORT_SECONDS", 10, 1, 3_600),
  };
}

function integerOf(env: Environment, name: string, fallback: number, least: number, most: number): number {
  const text = env[name] ?? "";
  if (text === "") return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name}: expected an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
}

/** The first of the words where the variable is not set. */
function wordOf<Word extends string>(env: Environment, name: string, words: readonly [Word, ...Word[]]): Word {
  const text = env[name] ?? "";
  if (text === "") return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new RangeError(`${name}: expected ${words.join(" or ")}, got ${JSON.stringify(text)}`);
}
