import type { DnsOptions } from "@evenkeel/core";
import { type ApiServer, inCluster } from "@evenkeel/kubernetes";
import type { Cluster } from "@evenkeel/testing";

/** Answers of the DNS server are cached this long, and looked up this often, so that a run stays short. */
const dnsTtlSeconds = 1;
const dnsRefreshMs = 1_000;

/** An API server that knows the cluster's pods. */
export async function apiServerOf(cluster: Cluster): Promise<ApiServer> {
  const { serviceAccount } = await cluster.startApiServer();
  return inCluster(serviceAccount);
}

/** A DNS server that knows the cluster's pods. */
export async function dnsOf(cluster: Cluster): Promise<DnsOptions> {
  const { address } = await cluster.startDns({ ttlSeconds: dnsTtlSeconds });
  return { servers: [address], refreshMs: dnsRefreshMs };
}
