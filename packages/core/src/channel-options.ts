import { type Clock, systemClock } from "./clock.ts";
import type { Connector } from "./connection/connection.ts";
import type { Endpoint } from "./endpoint/endpoint.ts";
import { checkKeys, durationOption, numberOption, typeOption } from "./options.ts";
import type { RetryBudgetOptions } from "./outcome/retry-budget.ts";
import type { BalancingOptions } from "./policy/stack.ts";
import { type Random, systemRandom } from "./random.ts";
import { dns } from "./resolver/dns.ts";
import type { ResolverFactory } from "./resolver/resolver.ts";
import { isVip } from "./resolver/vip.ts";
import type { Subset } from "./subset/subset.ts";

/** All times in milliseconds. */
export interface ChannelOptions extends BalancingOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly target: string;
  readonly connector: Connector;
  /** Default `dns()`. */
  readonly resolver?: ResolverFactory;
  /** Which endpoints are connected to. Default: all. */
  readonly subset?: Subset;
  /** From the dial until the connection is ready: TCP, TLS and the peer's SETTINGS. Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Dialled one after another while RPCs find all connections to an endpoint full (gRFC A105). 1 to 100, default 1. */
  readonly maxConnectionsPerEndpoint?: number;
  /** How long an RPC waits for a connection. Default 30 000. */
  readonly queueTimeoutMs?: number;
  /** Waits for a ready connection until the RPC's deadline, also while all of them fail. Default false. */
  readonly waitForReady?: boolean;
  /** After this long without an RPC, resolver and connections stop; the next RPC starts them. Default 900 000. */
  readonly idleTimeoutMs?: number;
  /** How long connections to endpoints that left the set may finish their streams. Default 30 000. */
  readonly drainTimeoutMs?: number;
  /** Bounds retries and hedges of all transports that share the channel. Default 20 % of the RPCs, and 10 per second. */
  readonly retryBudget?: Omit<RetryBudgetOptions, "clock">;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** The options of a channel itself, with their defaults. */
export type ChannelSettings = Required<Omit<ChannelOptions, "target" | keyof BalancingOptions>>;

const names: readonly (keyof ChannelOptions)[] = [
  ...(["target", "connector", "resolver", "subset", "policy", "locality", "slowStart", "outlierDetection"] as const),
  ...(["connectTimeoutMs", "maxConnectionsPerEndpoint", "queueTimeoutMs", "waitForReady"] as const),
  ...(["idleTimeoutMs", "drainTimeoutMs", "retryBudget", "clock", "random"] as const),
];

const all: Subset = (endpoints: readonly Endpoint[]) => endpoints;

/** Throws a `TypeError` or `RangeError` that names the option. */
export function channelSettings(options: ChannelOptions): ChannelSettings {
  checkKeys("createChannel", options, names);
  const { connector, resolver = dns(), subset = all, retryBudget = {}, clock = systemClock } = options;
  const { maxConnectionsPerEndpoint = 1, waitForReady = false, random = systemRandom } = options;
  const { connectTimeoutMs = 5_000, queueTimeoutMs, idleTimeoutMs = 900_000, drainTimeoutMs = 30_000 } = options;
  if (typeof connector?.connect !== "function") {
    throw new TypeError(`connector: expected a connector, such as createHttp2Connector(), got ${String(connector)}`);
  }
  if (typeof clock?.now !== "function" || typeof clock.setTimeout !== "function") {
    throw new TypeError(`clock: expected a clock, got ${String(clock)}`);
  }
  if (typeOption("waitForReady", waitForReady, "boolean") && queueTimeoutMs !== undefined) {
    throw new TypeError(
      "queueTimeoutMs with waitForReady: leave one out; RPCs that wait for ready wait until their deadline",
    );
  }
  if (subset !== all && isVip(resolver)) {
    throw new TypeError("subset with vip(): leave it out; connections is the number of pods that are connected to");
  }
  if (maxConnectionsPerEndpoint !== 1 && isVip(resolver)) {
    throw new TypeError("maxConnectionsPerEndpoint with vip(): leave it out; raise connections of vip() instead");
  }
  checkKeys("retryBudget", retryBudget, ["ratio", "minPerSecond"]);
  const range = { min: 1, max: 100, integer: true };
  return {
    connector,
    resolver: typeOption("resolver", resolver, "function"),
    subset: typeOption("subset", subset, "function"),
    connectTimeoutMs: durationOption("connectTimeoutMs", connectTimeoutMs),
    maxConnectionsPerEndpoint: numberOption("maxConnectionsPerEndpoint", maxConnectionsPerEndpoint, range),
    queueTimeoutMs: durationOption("queueTimeoutMs", queueTimeoutMs === undefined ? 30_000 : queueTimeoutMs),
    waitForReady,
    idleTimeoutMs: durationOption("idleTimeoutMs", idleTimeoutMs),
    drainTimeoutMs: durationOption("drainTimeoutMs", drainTimeoutMs),
    retryBudget,
    clock,
    random: typeOption("random", random, "function"),
  };
}
