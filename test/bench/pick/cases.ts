import {
  leastRequest,
  maglev,
  neverQueue,
  type Policy,
  peakEwma,
  random,
  ringHash,
  roundRobin,
  shortestExpectedDelay,
  weightedRoundRobin,
} from "@evenkeel/core";

/** A policy, and what it is measured with. */
export interface PickPolicy {
  readonly name: string;
  readonly create: () => Policy;
  /** Whether endpoints have weights from 1 to 4; else all have the same. */
  readonly weighted: boolean;
  /** Nanoseconds that a pick may take. */
  readonly target: number;
}

const key = { header: "x-user-id" };

export const pickPolicies: readonly PickPolicy[] = [
  { name: "round-robin", create: roundRobin, weighted: false, target: 100 },
  { name: "round-robin weighted", create: roundRobin, weighted: true, target: 100 },
  { name: "least-request", create: leastRequest, weighted: false, target: 100 },
  { name: "least-request weighted", create: leastRequest, weighted: true, target: 100 },
  { name: "peak-ewma", create: peakEwma, weighted: false, target: 100 },
  { name: "shortest-expected-delay", create: shortestExpectedDelay, weighted: true, target: 100 },
  { name: "never-queue", create: neverQueue, weighted: true, target: 100 },
  { name: "random", create: random, weighted: false, target: 100 },
  { name: "random weighted", create: random, weighted: true, target: 100 },
  { name: "weighted-round-robin", create: weightedRoundRobin, weighted: false, target: 100 },
  { name: "ring-hash", create: () => ringHash({ key }), weighted: false, target: 300 },
  { name: "ring-hash bounded", create: () => ringHash({ key, loadFactor: 1.25 }), weighted: false, target: 300 },
  { name: "maglev", create: () => maglev({ key }), weighted: false, target: 300 },
];

/** The whole of `Channel.pick` on scripted connections, with the default policy. */
export const channelRow = "channel";

/** How many endpoints there are. */
export const pickSizes: readonly number[] = [10, 100, 1_000, 10_000];
/** Those of the channel: to connect it takes time in proportion to the square of their number. */
export const channelSizes: readonly number[] = [10, 100, 1_000];

/** RPCs in flight on an endpoint, on average. */
export const rpcsPerEndpoint = 2;

export const pickRounds = 15;
