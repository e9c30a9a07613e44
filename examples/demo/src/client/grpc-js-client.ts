import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { register } from "@evenkeel/grpc-js";
import type { Cluster } from "@evenkeel/testing";
import { Client, credentials } from "@grpc/grpc-js";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import type { DemoOptions, PolicyName, ResolverName, RunOptions } from "../options.ts";
import { subchannelStates } from "./channelz.ts";
import type { DemoClient, PodConnection } from "./client.ts";
import { apiServerOf, dnsOf } from "./discovery.ts";
import { GrpcJsCalls } from "./grpc-js-calls.ts";

/** As service configs name them. */
const policies: Readonly<Record<PolicyName, string>> = {
  "round-robin": "evenkeel_round_robin",
  "least-request": "least_request",
  "peak-ewma": "peak_ewma",
  "shortest-expected-delay": "shortest_expected_delay",
  "never-queue": "never_queue",
  random: "random",
  "weighted-round-robin": "weighted_round_robin", // grpc-js's own
};

/** Tells grpc-js where to look for pods, and gives the target that has it look there. */
const targets: Readonly<Record<ResolverName, (cluster: Cluster) => Promise<string>>> = {
  async kubernetes(cluster) {
    register({ kubernetes: { apiServer: await apiServerOf(cluster) } });
    return `kubernetes:///${cluster.host}:${cluster.port}`;
  },
  async dns(cluster) {
    register({ dns: await dnsOf(cluster) });
    return `evenkeel-dns:///${cluster.host}:${cluster.port}`;
  },
  async cluster() {
    throw new Error("the pretend cluster itself: no target names it");
  },
};

/** grpc-js sends again what may be. */
const retries = {
  name: DemoService.methods
    .filter(({ idempotency }) => idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN)
    .map(({ parent, name }) => ({ service: parent.typeName, method: name })),
  retryPolicy: {
    maxAttempts: 3,
    initialBackoff: "0.01s",
    maxBackoff: "0.1s",
    backoffMultiplier: 2,
    retryableStatusCodes: ["UNAVAILABLE"],
  },
};

/** The client of grpc-js with evenkeel in it, which has a connection to every pod. It dials at once. */
export async function createGrpcJsClient(options: RunOptions, cluster: Cluster): Promise<DemoClient> {
  const target = await targets[options.resolver](cluster);
  const serviceConfig = { loadBalancingConfig: [{ [policies[options.policy]]: {} }], methodConfig: [retries] };
  const client = new Client(target, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(serviceConfig),
  });
  client.getChannel().getConnectivityState(true);
  const calls = new GrpcJsCalls(client, options, cluster);
  return {
    send: calls.send,
    attempts: calls.attempts,
    connections() {
      const byPod = [...subchannelStates(client)].map(([address, state]): [string, PodConnection] => {
        return [calls.podAt(address) ?? address, { state, open: state === "ready" ? 1 : 0 }];
      });
      return new Map(byPod);
    },
    get inFlightAtLoss() {
      return calls.inFlightAtLoss;
    },
    async close() {
      calls.close();
    },
  };
}

/** grpc-js as it is, behind a virtual IP, which chooses a pod for each of its connections. */
export async function createStockGrpcJsClient(options: DemoOptions, cluster: Cluster): Promise<DemoClient> {
  const virtualIp = await cluster.startVirtualIp();
  const client = new Client(new URL(virtualIp.url).host, credentials.createInsecure());
  const calls = new GrpcJsCalls(client, options, cluster);
  return {
    send: calls.send,
    attempts: calls.attempts,
    connections: () => new Map([...virtualIp.connections()].map(([pod, open]) => [pod, { state: "ready", open }])),
    inFlightAtLoss: 0, // it does not tell
    async close() {
      calls.close();
    },
  };
}
