import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openShop } from "./shop.ts";

/** What the client asked the API server for: verbs, in order. */
const verbs = ({ requests }: { readonly requests: readonly { readonly verb?: string | undefined }[] }) =>
  requests.map(({ verb }) => verb);

describe("no RPC fails", () => {
  it("while the API server is away for 15 s and a pod leaves", { timeout: 60_000 }, async () => {
    const { cluster, api, servedBy, failures } = await openShop(3);
    await api.stop();
    const away = sleep(15_000);
    const [leaving] = cluster.pods;
    await cluster.stop(leaving!);
    await servedBy();
    await away;
    await api.start();
    await cluster.scale(4);
    await servedBy();
    expect(await failures()).toEqual([]);
  });

  it("while the API server swallows everything", { timeout: 60_000 }, async () => {
    const { cluster, api, transport, servedBy, failures } = await openShop(3);
    await api.stop("blackhole");
    const old = cluster.pods.map(({ name }) => name);
    await cluster.stop(cluster.pods[0]!);
    await cluster.scale(3);
    await sleep(2_000);
    expect(transport.channel.snapshot().endpoints.map(({ podName }) => podName)).toEqual(old); // it hears nothing
    await api.start();
    await servedBy();
    expect(await failures()).toEqual([]);
  });

  it("when the watch stalls and every pod is replaced", { timeout: 60_000 }, async () => {
    const { cluster, api, servedBy, failures } = await openShop(4);
    api.stallWatches();
    await cluster.rollingRestart();
    await servedBy();
    expect(await failures()).toEqual([]);
    expect(verbs(api).filter((verb) => verb === "list")).toHaveLength(1); // a new watch, from the same version
  });

  it("in a storm of 410", { timeout: 60_000 }, async () => {
    const { cluster, api, servedBy, failures } = await openShop(3);
    const storm = setInterval(() => api.compact({ endWatches: true }), 100);
    await cluster.scale(5);
    await cluster.scale(3);
    await sleep(4_000);
    clearInterval(storm);
    const lists = verbs(api).filter((verb) => verb === "list").length;
    await cluster.scale(4);
    await servedBy();
    expect(await failures()).toEqual([]);
    expect(lists).toBeGreaterThan(1);
    expect(lists).toBeLessThan(10);
  });

  it("when the token is rotated", async () => {
    const { cluster, api, servedBy, failures } = await openShop(2);
    api.rotateToken();
    api.dropWatches();
    await cluster.scale(3);
    await servedBy();
    expect(await failures()).toEqual([]);
    expect(api.requests.map(({ status }) => status)).not.toContain(401);
  });

  it("when the watch goes on after events were missed", async () => {
    const { cluster, api, servedBy, failures } = await openShop(3);
    await api.stop();
    await cluster.scale(5);
    await cluster.stop(cluster.pods[0]!);
    await api.start({ keepHistory: true });
    await servedBy();
    expect(await failures()).toEqual([]);
    expect(verbs(api).filter((verb) => verb === "list")).toHaveLength(1);
  });

  it("when the API server ends, cuts and resets the watch again and again", async () => {
    const { cluster, api, servedBy, failures } = await openShop(2, { sliceDelayMs: 0 });
    for (const how of ["end", "cut", "reset", "cut"] as const) {
      await api.untilWatched();
      api.dropWatches(how);
      await cluster.scale(cluster.pods.length + 1);
    }
    await servedBy();
    expect(await failures()).toEqual([]);
  });

  it("when all slices are deleted and made anew", async () => {
    const { api, transport, servedBy, failures } = await openShop(4, { maxEndpointsPerSlice: 2 });
    const slices = api.slices;
    expect(slices).toHaveLength(2);
    const sent = api.eventsSent;
    for (const { metadata } of slices) api.deleteSlice(metadata.name);
    await sleep(2_000);
    expect(api.eventsSent).toBeGreaterThanOrEqual(sent + 2);
    const connections = transport.channel.snapshot().endpoints.map(({ connection }) => connection?.label);
    expect(connections).toHaveLength(4);
    for (const slice of slices) api.setSlice(slice);
    await servedBy();
    expect(transport.channel.snapshot().endpoints.map(({ connection }) => connection?.label)).toEqual(connections);
    expect(await failures()).toEqual([]);
  });

  it("when an endpoint moves between slices, in either order", async () => {
    const { api, transport, servedBy, failures } = await openShop(3);
    const [slice] = api.slices;
    const [moving, ...rest] = slice!.endpoints!;
    const from = { ...slice!, endpoints: rest };
    const to = { ...slice!, metadata: { ...slice!.metadata, name: "orders-other", uid: "1" }, endpoints: [moving!] };
    const labels = () => transport.channel.snapshot().endpoints.map(({ connection }) => connection?.label);
    const before = labels();
    api.setSlice(to); // twice for a moment
    api.setSlice(from);
    await servedBy();
    expect(new Set(labels())).toEqual(new Set(before)); // the connection stayed
    api.deleteSlice(to.metadata.name); // nowhere for a moment
    await sleep(200);
    api.setSlice(slice!);
    await servedBy();
    expect(await failures()).toEqual([]);
  });

  it("when all endpoints are gone and come back, for those who wait", async () => {
    const { api, servedBy, queues, failures } = await openShop(3, {}, { waitForReady: true });
    const [slice] = api.slices;
    const unready = slice!.endpoints!.map((endpoint) => ({ ...endpoint, conditions: { ready: false } }));
    api.setSlice({ ...slice!, endpoints: unready });
    await queues();
    api.setSlice({ ...slice!, endpoints: [] });
    await sleep(1_000);
    await queues();
    api.setSlice(slice!);
    await servedBy();
    expect(await failures()).toEqual([]);
  });

  it("when a Service scales to zero and back, for those who wait", { timeout: 60_000 }, async () => {
    const { cluster, servedBy, queues, failures } = await openShop(2, {}, { waitForReady: true });
    await cluster.scale(0);
    await queues();
    await cluster.scale(3);
    await servedBy();
    expect(await failures()).toEqual([]);
  });
});
