import type { LifecycleOptions } from "@evenkeel/server";

/** What a server is made of. */
export const serverKinds = ["h2c", "h2c-connect", "tls", "http1"] as const;

export type ServerKind = (typeof serverKinds)[number];

/**
 * `bare`: without a lifecycle. `managed`: by `manageConnections()` without options. `all-on`: with every option.
 * `all-on-interceptor`: with `lifecycle.interceptor`, too.
 */
export type Variant = "bare" | "managed" | "all-on" | "all-on-interceptor";

/** Every option that costs something, with nothing that ends a connection within a run. */
export const allOn: LifecycleOptions = {
  maxConnectionAgeMs: 3_600_000,
  maxConnectionAgeGraceMs: 60_000,
  maxConnectionIdleMs: 3_600_000,
  keepaliveTimeMs: 7_200_000,
  keepaliveTimeoutMs: 20_000,
  minPingIntervalMs: 300_000,
  maxConcurrentStreams: 1_000,
  maxConnections: 100_000,
  maxRequestsPerConnection: 1_000_000_000,
};

/** What a server costs for each RPC, in variants that take turns. The first is what the others are compared with. */
export interface PluginCase {
  readonly server: ServerKind;
  readonly variants: readonly ["bare", ...Variant[]];
  /** In each half of a round. Rounds are short and many, so that what is compared has run at nearly the same time. */
  readonly rpcsPerHalf: number;
  /** Before the first round of each process. */
  readonly warmUpRpcs: number;
}

export const pluginCases: readonly PluginCase[] = [
  { server: "h2c", variants: ["bare", "all-on"], rpcsPerHalf: 2_000, warmUpRpcs: 40_000 },
  {
    server: "h2c-connect",
    variants: ["bare", "all-on", "all-on-interceptor"],
    rpcsPerHalf: 1_000,
    warmUpRpcs: 10_000,
  },
  { server: "tls", variants: ["bare", "all-on"], rpcsPerHalf: 2_000, warmUpRpcs: 40_000 },
  { server: "http1", variants: ["bare", "all-on"], rpcsPerHalf: 2_000, warmUpRpcs: 40_000 },
];

export const pluginRounds = 45;

/** A variant's rounds are those of several processes, one after another: each is compiled a little differently. */
export const roundsPerProcess = 15;

/** What a lifecycle may add on h2c, in microseconds of CPU for each RPC. */
export const pluginTarget = { server: "h2c", variant: "all-on", atMostUs: 2 } as const;

export const idleVariants: readonly Variant[] = ["bare", "managed", "all-on"];
export const idleConnections = 10_000;
export const idleMs = 12_000;

export const serverCaseNames = ["server-plugin", "idle-connections"] as const;

export type ServerCaseName = (typeof serverCaseNames)[number];
