import {
  type BalancedTransport,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  type TransportOptions,
} from "@evenkeel/connect";
import {
  dns,
  formatAddress,
  leastRequest,
  neverQueue,
  type Policy,
  peakEwma,
  type ResolverFactory,
  random,
  roundRobin,
  shortestExpectedDelay,
  subscribe,
  weightedRoundRobin,
} from "@evenkeel/core";
import { inCluster, kubernetes } from "@evenkeel/kubernetes";
import type { Cluster } from "@evenkeel/testing";
import type { PolicyName, Protocol, ResolverName, RunOptions } from "../options.ts";
import { type Attempt, type DemoClient, type PodConnection, sender } from "./client.ts";

const createTransport: Readonly<Record<Protocol, (options: TransportOptions) => BalancedTransport>> = {
  connect: createConnectTransport,
  grpc: createGrpcTransport,
  "grpc-web": createGrpcWebTransport,
};

const policies: Readonly<Record<PolicyName, () => Policy>> = {
  "round-robin": roundRobin,
  "least-request": leastRequest,
  "peak-ewma": peakEwma,
  "shortest-expected-delay": shortestExpectedDelay,
  "never-queue": neverQueue,
  random,
  "weighted-round-robin": weightedRoundRobin,
};

/** Answers of the DNS server are cached this long, and looked up this often, so that a run stays short. */
const dnsTtlSeconds = 1;
const dnsRefreshMs = 1_000;

const resolvers: Readonly<Record<ResolverName, (cluster: Cluster) => Promise<ResolverFactory>>> = {
  async kubernetes(cluster) {
    const { serviceAccount } = await cluster.startApiServer();
    return kubernetes({ apiServer: inCluster(serviceAccount) });
  },
  cluster: async (cluster) => cluster.resolver(),
  async dns(cluster) {
    const { address } = await cluster.startDns({ ttlSeconds: dnsTtlSeconds });
    return dns({ servers: [address], refreshMs: dnsRefreshMs });
  },
};

/** The client that has a connection to every pod. It dials at once. */
export async function createBalancedClient(options: RunOptions, cluster: Cluster): Promise<DemoClient> {
  const transport = createTransport[options.protocol]({
    baseUrl: cluster.url,
    resolver: await resolvers[options.resolver](cluster),
    policy: policies[options.policy](),
  });
  const { channel } = transport;
  let inFlightAtLoss = 0;
  const attempts: Attempt[] = [];
  const subscriptions = [
    subscribe("connection.closed", ({ target, orderly, streamsLost }) => {
      if (target === channel.target.text && !orderly) inFlightAtLoss += streamsLost;
    }),
    subscribe("attempt.end", ({ target, endpoint, outcome }) => {
      if (target !== channel.target.text) return;
      const at = performance.now() - outcome.durationMs;
      attempts.push({ pod: podOf(endpoint.podName, formatAddress(endpoint.addresses[0])), at });
    }),
  ];
  /** DNS knows no names. */
  const podOf = (podName: string | undefined, address: string): string =>
    podName ?? cluster.pods.find((pod) => formatAddress(pod.address) === address)?.name ?? address;
  channel.connect();
  return {
    send: sender(transport, options.method, options.delayMs),
    attempts,
    connections() {
      const byPod = channel.snapshot().endpoints.map(({ podName, address, state }): [string, PodConnection] => {
        return [podOf(podName, address), { state, open: state === "ready" ? 1 : 0 }];
      });
      return new Map(byPod);
    },
    get inFlightAtLoss() {
      return inFlightAtLoss;
    },
    async close() {
      await transport.close();
      for (const unsubscribe of subscriptions) unsubscribe();
    },
  };
}
