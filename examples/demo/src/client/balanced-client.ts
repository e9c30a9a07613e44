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
import { kubernetes } from "@evenkeel/kubernetes";
import type { Cluster } from "@evenkeel/testing";
import type { PolicyName, ResolverName, RunOptions } from "../options.ts";
import { type Attempt, type ConnectProtocol, type DemoClient, type PodConnection, sender } from "./client.ts";
import { apiServerOf, dnsOf } from "./discovery.ts";

const createTransport: Readonly<Record<ConnectProtocol, (options: TransportOptions) => BalancedTransport>> = {
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

const resolvers: Readonly<Record<ResolverName, (cluster: Cluster) => Promise<ResolverFactory>>> = {
  kubernetes: async (cluster) => kubernetes({ apiServer: await apiServerOf(cluster) }),
  cluster: async (cluster) => cluster.resolver(),
  dns: async (cluster) => dns(await dnsOf(cluster)),
};

/** The client that has a connection to every pod. It dials at once. */
export async function createBalancedClient(
  protocol: ConnectProtocol,
  options: RunOptions,
  cluster: Cluster,
): Promise<DemoClient> {
  const transport = createTransport[protocol]({
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
