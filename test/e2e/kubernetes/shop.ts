import { setTimeout as sleep } from "node:timers/promises";
import { type BalancedTransport, createGrpcTransport, type TransportOptions } from "@evenkeel/connect";
import { inCluster, kubernetes } from "@evenkeel/kubernetes";
import { type Cluster, type ClusterApiServer, type ClusterApiServerOptions, startCluster } from "@evenkeel/testing";
import { onTestFinished } from "vitest";
import { periodMs, startCharges } from "../charges.ts";

/** Pods, their API server, and a client under load. */
export interface Shop {
  readonly cluster: Cluster;
  readonly api: ClusterApiServer;
  readonly transport: BalancedTransport;
  /** Resolves once `pod`, or every pod there is, has answered RPCs that were sent from now on, and no other has. */
  servedBy(pods?: readonly string[]): Promise<void>;
  /** Resolves once RPCs wait for a connection. */
  queues(): Promise<void>;
  /** Ends the load. Resolves to the messages of all RPCs that failed. */
  failures(): Promise<readonly string[]>;
}

/** Opens a shop with `size` pods, which is connected to all of them and closed with the test. */
export async function openShop(
  size: number,
  apiOptions: ClusterApiServerOptions = {},
  transportOptions: Partial<TransportOptions> = {},
): Promise<Shop> {
  const cluster = await startCluster({ pod: { module: new URL(import.meta.resolve("@evenkeel/demo/pod")) }, size });
  onTestFinished(() => cluster.close());
  const api = await cluster.startApiServer(apiOptions);
  const transport = createGrpcTransport({
    baseUrl: cluster.url,
    resolver: kubernetes({ apiServer: inCluster(api.serviceAccount) }),
    ...transportOptions,
  });
  onTestFinished(() => transport.close());
  const load = startLoad(transport);
  onTestFinished(() => void load.stop());
  const shop: Shop = {
    cluster,
    api,
    transport,
    async servedBy(pods = cluster.pods.map(({ name }) => name)) {
      await load.answeredBy(pods);
    },
    async queues() {
      while (transport.channel.snapshot().queued === 0) await sleep(periodMs);
    },
    failures: () => load.stop(),
  };
  await shop.servedBy();
  return shop;
}

/** A charge, which must not happen twice, every 5 ms. */
function startLoad(transport: BalancedTransport) {
  /** Pods that answered, with the number of the last RPC of each. */
  const answered = new Map<string, number>();
  const charges = startCharges(transport, (pod, number) => answered.set(pod, number));
  return {
    async answeredBy(pods: readonly string[]): Promise<void> {
      const wanted = JSON.stringify([...pods].sort());
      for (;;) {
        const from = charges.sent;
        await sleep(50 * periodMs);
        const recent = [...answered].filter(([, number]) => number >= from).map(([pod]) => pod);
        if (JSON.stringify(recent.sort()) === wanted) return;
      }
    },
    stop: () => charges.stop(),
  };
}
