import { setTimeout as sleep } from "node:timers/promises";
import { type BalancedTransport, createConnectTransport, createGrpcTransport } from "@evenkeel/connect";
import { type VipOptions, vip } from "@evenkeel/core";
import { type Cluster, seededRandom, startCluster, type VirtualIp } from "@evenkeel/testing";
import { expect, it, onTestFinished } from "vitest";
import { type Load, startLoad } from "./load.ts";

interface Shop {
  readonly cluster: Cluster;
  readonly virtualIp: VirtualIp;
  readonly transport: BalancedTransport;
  readonly load: Load;
}

/** Pods behind a virtual address, and a client under load that knows nothing but the address. */
async function openShop(size: number, options: VipOptions, create = createGrpcTransport): Promise<Shop> {
  const cluster = await startCluster({ pod: { module: new URL(import.meta.resolve("@evenkeel/demo/pod")) }, size });
  onTestFinished(() => cluster.close());
  const virtualIp = await cluster.startVirtualIp({ random: seededRandom(6) });
  const transport = create({ baseUrl: virtualIp.url, resolver: vip(options) });
  onTestFinished(() => transport.close());
  const load = startLoad(transport);
  onTestFinished(() => void load.stop());
  return { cluster, virtualIp, transport, load };
}

function names({ pods }: Cluster): readonly string[] {
  return pods.map(({ name }) => name).toSorted();
}

/** Resolves once all pods, and no others, answer RPCs. */
async function untilServedBy({ load }: Shop, pods: readonly string[]): Promise<void> {
  const wanted = JSON.stringify(pods);
  for (;;) {
    load.answered();
    await sleep(300);
    if (JSON.stringify([...load.answered().keys()].sort()) === wanted) return;
  }
}

it.each([
  ["gRPC", createGrpcTransport],
  ["Connect", createConnectTransport],
])("vip reaches every pod through a virtual address, in %s", async (_name, create) => {
  const shop = await openShop(4, { connections: 4 }, create);
  const { cluster, virtualIp, transport, load } = shop;
  expect(virtualIp.connections().size).toBeLessThanOrEqual(4);
  await untilServedBy(shop, names(cluster));
  await expect.poll(() => [...virtualIp.connections().values()], { timeout: 5_000 }).toEqual([1, 1, 1, 1]);
  load.answered();
  await sleep(1_000);
  const answered = load.answered();
  const mean = [...answered.values()].reduce((sum, count) => sum + count, 0) / 4;
  for (const count of answered.values()) expect(count).toBeGreaterThan(0.5 * mean);
  const { endpoints } = transport.channel.snapshot();
  expect(endpoints.map(({ podName }) => podName).toSorted()).toEqual(names(cluster));
  for (const { key, address } of endpoints) expect(key).toMatch(new RegExp(`^${address}#[0-9]+$`));
  expect(await load.stop()).toEqual([]);
});

it("vip finds pods that come as connections reach their age, and parts with those that leave", async () => {
  const shop = await openShop(2, { connections: 3, maxConnectionAgeMs: 3_000 });
  const { cluster, virtualIp, load } = shop;
  await untilServedBy(shop, ["pod-1", "pod-2"]);
  await cluster.scale(3);
  await untilServedBy(shop, ["pod-1", "pod-2", "pod-3"]);
  await cluster.scale(2);
  await untilServedBy(shop, ["pod-1", "pod-2"]);
  let most = 0;
  for (const count of virtualIp.connections().values()) most = Math.max(most, count);
  expect(most).toBeLessThanOrEqual(3); // with what is being replaced
  expect(await load.stop()).toEqual([]);
}, 60_000);

it("vip loses nothing while every pod is replaced", async () => {
  const shop = await openShop(3, { connections: 3 });
  await untilServedBy(shop, ["pod-1", "pod-2", "pod-3"]);
  await shop.cluster.rollingRestart();
  await untilServedBy(shop, ["pod-4", "pod-5", "pod-6"]);
  expect(await shop.load.stop()).toEqual([]);
}, 60_000);
