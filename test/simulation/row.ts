import {
  apertureSubset,
  type ChannelOptions,
  leastRequest,
  maglev,
  neverQueue,
  type Policy,
  peakEwma,
  random,
  rendezvousSubset,
  ringHash,
  roundRobin,
  shortestExpectedDelay,
  weightedRoundRobin,
} from "@evenkeel/core";
import { UsageError } from "../bench/command-line.ts";

/** Who the client is among the clients of the scenario. */
export interface ClientIdentity {
  readonly name: string;
  readonly zone: string | undefined;
  readonly index: number;
  readonly count: number;
  readonly subsetSize: number;
}

type Balancing = Pick<ChannelOptions, "policy" | "subset" | "locality" | "slowStart" | "outlierDetection">;

/** What is simulated in one row of a table: a policy, and what is put around it. */
export interface Row {
  readonly name: string;
  optionsFor(client: ClientIdentity): Balancing;
  /** Failed attempts are repeated on another pod, within the retry budget. */
  readonly retries: boolean;
}

const key = { header: "x-key" };

const policies: Readonly<Record<string, () => Policy>> = {
  random,
  "round-robin": roundRobin,
  "least-request": leastRequest,
  "least-request-2": () => leastRequest({ choices: 2 }),
  "least-request-100": () => leastRequest({ choices: 100 }),
  "peak-ewma": peakEwma,
  "shortest-expected-delay": shortestExpectedDelay,
  "never-queue": neverQueue,
  "weighted-round-robin": weightedRoundRobin,
  "ring-hash": () => ringHash({ key }),
  "ring-hash-bounded": () => ringHash({ key, loadFactor: 1.25 }),
  maglev: () => maglev({ key }),
  "maglev-bounded": () => maglev({ key, loadFactor: 1.25 }),
};

const modifiers: Readonly<Record<string, (client: ClientIdentity) => Balancing>> = {
  "outlier-detection": () => ({ outlierDetection: {} }),
  "slow-start": () => ({ slowStart: { windowMs: 10_000 } }),
  locality: ({ zone }) => ({ locality: zone === undefined ? {} : { zone } }),
  rendezvous: ({ name, subsetSize }) => ({ subset: rendezvousSubset({ size: subsetSize, clientId: name }) }),
  aperture: ({ index, count, subsetSize }) => ({
    subset: apertureSubset({ size: subsetSize, clients: { index, count } }),
  }),
  retry: () => ({}),
};

export const policyNames: readonly string[] = Object.keys(policies);
export const modifierNames: readonly string[] = Object.keys(modifiers);

/** `least-request`, or with modifiers `least-request+slow-start+retry`. Throws a `UsageError`. */
export function parseRow(name: string): Row {
  const [policyName = "", ...chosen] = name.split("+");
  const policy = policies[policyName];
  if (policy === undefined) {
    throw new UsageError(`--policy: expected ${policyNames.join(", ")}, got "${policyName}"`);
  }
  const wrong = chosen.find((modifier) => !modifierNames.includes(modifier));
  if (wrong !== undefined) {
    throw new UsageError(`--policy: expected ${modifierNames.join(", ")} behind "+", got "${wrong}"`);
  }
  return {
    name,
    optionsFor(client) {
      const options: Balancing = { policy: policy() };
      for (const modifier of chosen) Object.assign(options, modifiers[modifier]?.(client));
      return options;
    },
    retries: chosen.includes("retry"),
  };
}
