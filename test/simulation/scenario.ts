import type { Distribution } from "./distributions.ts";
import type { Keys } from "./key-cache.ts";

/** Times are in milliseconds. */
export interface Scenario {
  readonly name: string;
  /** One line: the world, and what is odd about it. */
  readonly title: string;
  readonly clients: readonly ClientGroup[];
  readonly pods: readonly PodGroup[];
  /** RPCs per second of all clients together. */
  readonly rps: number;
  /** What one RPC asks of a worker. */
  readonly work: Distribution;
  /** What RPCs are about, in the header `x-key`, and pods keep. Default: nothing. */
  readonly keys?: Keys;
  /** Of each RPC; default none. */
  readonly deadlineMs?: number;
  readonly network?: Network;
  /** What is compared: names that `parseRow` knows. */
  readonly rows: readonly string[];
  /** Endpoints in a subset. Default 20. */
  readonly subsetSize?: number;
}

export interface ClientGroup {
  readonly count: number;
  readonly zone?: string;
}

/** Pods that are alike. */
export interface PodGroup {
  readonly count: number;
  /** Jobs that each works on at a time. */
  readonly workers: number;
  readonly zone?: string;
  /** What the resolver says. Default 1. */
  readonly weight?: number;
  /** Whether they are what the scenario is about, at all times: the share of odd pods is told. */
  readonly isOdd?: boolean;
  /** Times as slow as the others. Default 1. */
  readonly slowdown?: number;
  /** It fails every RPC after this time; with `during` only then, and it is odd from then to the next time. */
  readonly fails?: { readonly afterMs: number; readonly during?: Cycle };
  /** They are odd while they do. */
  readonly freezes?: Cycle;
  /** They are new pods each time: cold at first, and odd while they are. Default: there from the beginning. */
  readonly visits?: Cycle & { readonly coldMs: number; readonly coldSlowdown: number };
}

/** From then, for so long, in each period. */
export interface Cycle {
  readonly everyMs: number;
  readonly fromMs: number;
  readonly forMs: number;
}

/** One way. */
export interface Network {
  readonly sameZoneMs: number;
  readonly crossZoneMs: number;
}

export const defaultNetwork: Network = { sameZoneMs: 0.25, crossZoneMs: 0.25 };
