import { createEndpoint, type Endpoint, type EndpointInit } from "@evenkeel/core";
import type { EndpointSlice } from "@evenkeel/kubernetes";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, ofOrders, servicesPath, slicesPath, summary, WatchClient } from "../../test-helpers/api-client.ts";
import { startCluster } from "../cluster/cluster.ts";
import { EndpointFeed } from "../cluster/endpoint-feed.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  type ClusterApiServer,
  type ClusterApiServerOptions,
  type ClusterSource,
  startClusterApiServer,
} from "./cluster-api-server.ts";

interface Setup {
  readonly feed: EndpointFeed;
  readonly api: ClusterApiServer;
}

function sourceOf(feed: EndpointFeed): ClusterSource {
  return { name: "orders", port: 8080, resolver: feed.resolver(), published: () => feed.settled() };
}

/** The API server of a cluster whose endpoint set the test makes. */
async function start(pods: readonly Endpoint[] = [], options?: ClusterApiServerOptions): Promise<Setup> {
  const feed = new EndpointFeed(0);
  for (const pod of pods) feed.set(pod);
  const api = await startClusterApiServer(sourceOf(feed), options);
  onTestFinished(() => api.close());
  return { feed, api };
}

const pod = (number: number, init?: Partial<EndpointInit>): Endpoint =>
  createEndpoint({
    key: `orders-${number}`,
    podName: `orders-${number}`,
    host: `127.1.2.${number}`,
    port: 8080,
    ...init,
  });

const pods = (count: number): Endpoint[] => Array.from({ length: count }, (_, index) => pod(index + 1));

const sizes = (slices: readonly EndpointSlice[]): number[] => slices.map(({ endpoints }) => endpoints?.length ?? 0);

describe("the slices of a cluster", () => {
  test("are those of the endpointslice controller", async () => {
    const { api } = await start([pod(1, { zone: "a" })]);
    const [slice] = api.slices;
    const { name, uid } = slice!.metadata;
    expect(name).toMatch(/^orders-[b-z2-9]{5}$/);
    expect(uid).toMatch(/^[-0-9a-f]{36}$/);
    const service = (await ask(api, `${servicesPath}/orders`)).json;
    expect(slice).toEqual({
      metadata: expect.objectContaining({
        name,
        generateName: "orders-",
        namespace: "default",
        labels: {
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
          "kubernetes.io/service-name": "orders",
        },
        ownerReferences: [
          expect.objectContaining({ kind: "Service", name: "orders", uid: service["metadata"]!["uid"] }),
        ],
      }),
      addressType: "IPv4",
      endpoints: [
        {
          addresses: ["127.1.2.1"],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: {
            kind: "Pod",
            namespace: "default",
            name: "orders-1",
            uid: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
          },
          nodeName: "node-a",
          zone: "a",
        },
      ],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    });
    expect(service["spec"]).toMatchObject({
      clusterIP: "10.96.83.83",
      ports: [{ name: "http", port: 8080, targetPort: "http", protocol: "TCP" }],
      selector: { app: "orders" },
    });
  });

  test("follow the options", async () => {
    const options = { headless: true, hints: true, portName: "", servicePort: 80, maxEndpointsPerSlice: 2 };
    const { api } = await start([pod(1, { zone: "a" }), pod(2, { zone: "b" }), pod(3)], options);
    expect(sizes(api.slices).sort()).toEqual([1, 2]);
    const endpoints = api.slices.flatMap((slice) => slice.endpoints ?? []);
    const hints = new Map(endpoints.map((each) => [each.targetRef!.name, each.hints?.forZones]));
    expect(Object.fromEntries(hints)).toEqual({
      "orders-1": [{ name: "a" }],
      "orders-2": [{ name: "b" }],
      "orders-3": undefined,
    });
    expect(api.slices[0]!.metadata.labels).toMatchObject({ "service.kubernetes.io/headless": "" });
    expect(api.slices[0]!.ports).toEqual([{ name: "", port: 8080, protocol: "TCP" }]);
    expect((await ask(api, `${servicesPath}/orders`)).json["spec"]).toMatchObject({
      clusterIP: "None",
      ports: [{ port: 80, targetPort: 80 }],
    });
  });

  test("change one at a time, after a moment in which further changes go along", async () => {
    const { feed, api } = await start(pods(5), { maxEndpointsPerSlice: 3, sliceDelayMs: [5, 25] });
    const watch = await WatchClient.open(api, `${slicesPath}?${ofOrders}&resourceVersion=${api.resourceVersion}&`);
    const uids = () => api.slices.flatMap((slice) => slice.endpoints?.map((each) => each.targetRef?.uid) ?? []).sort();
    const before = uids();
    feed.set(pod(2, { ready: false, terminating: true }));
    feed.set(pod(1, { ready: false, serving: true, terminating: true }));
    expect(api.eventsSent).toBe(0);
    await api.settled();
    expect(uids()).toEqual(before);
    feed.delete("orders-1");
    await api.settled();
    const [first, second] = await watch.take(2);
    expect([first!.type, second!.type]).toEqual(["MODIFIED", "MODIFIED"]);
    expect(first!.object).toMatchObject({
      endpoints: [
        { conditions: { ready: false, serving: true, terminating: true } },
        { conditions: { ready: false, serving: true, terminating: true } },
        { conditions: { ready: true, serving: true, terminating: false } },
      ],
    });
    expect(second!.object["endpoints"]).toHaveLength(2);
    expect(api.eventsSent).toBe(2);
  });

  test("are written before a change returns where there is no delay", async () => {
    const { feed, api } = await start([], { sliceDelayMs: 0 });
    expect(api.slices).toMatchObject([{ endpoints: null, ports: null, addressType: "IPv4" }]);
    const placeholder = api.slices[0]!.metadata.name;
    feed.set(pod(1));
    expect(sizes(api.slices)).toEqual([1]);
    expect(api.slices[0]!.metadata.name).toBe(placeholder);
    feed.delete("orders-1");
    expect(sizes(api.slices)).toEqual([0]);
  });

  test("differ by port where pods share an address", async () => {
    const { api } = await start([1, 2].map((number) => pod(number, { host: "127.0.0.1", port: 20_000 + number })));
    expect(api.slices.map(({ ports }) => ports?.[0]?.port).sort()).toEqual([20_001, 20_002]);
    expect(api.slices.map(({ endpoints }) => endpoints?.[0]?.addresses)).toEqual([["127.0.0.1"], ["127.0.0.1"]]);
  });

  test("repeat their names, and stand beside what is set by hand", async () => {
    const options = { random: seededRandom(7), sliceDelayMs: 0 };
    const { feed, api } = await start(pods(1), options);
    const again = await start(pods(1), { ...options, random: seededRandom(7) });
    expect(api.slices[0]!.metadata.name).toBe(again.api.slices[0]!.metadata.name);
    api.setSlice({ metadata: { name: "by-hand" }, addressType: "IPv6" });
    feed.delete("orders-1");
    expect(api.slices).toHaveLength(2);
  });

  test("stop with the API server, or the cluster", async () => {
    const { feed, api } = await start(pods(1), { sliceDelayMs: 1_000_000 });
    feed.set(pod(2));
    const settled = api.settled();
    await api.close();
    await settled;
    feed.set(pod(3));
  });

  test.for<[options: object, error: RegExp]>([
    [{ maxEndpointsPerSlice: 0 }, /^RangeError: maxEndpointsPerSlice: expected an integer from 1 to 1000, got 0/],
    [{ maxEndpointsPerSlice: 1_001 }, /^RangeError: maxEndpointsPerSlice:/],
    [{ portName: "HTTP" }, /^TypeError: portName:/],
    [{ servicePort: 0 }, /^RangeError: servicePort:/],
    [{ headless: "yes" }, /^TypeError: headless:/],
    [{ hints: 1 }, /^TypeError: hints:/],
    [{ sliceDelayMs: -1 }, /^RangeError: sliceDelayMs:/],
    [{ sliceDelayMs: [2, 1] }, /^RangeError: sliceDelayMs:/],
    [{ bookmarkMs: 0 }, /^RangeError: bookmarkMs:/],
  ])("refuse %o", async ([options, error]) => {
    const started = startClusterApiServer(sourceOf(new EndpointFeed(0)), options);
    expect(String(await started.catch((reason) => reason))).toMatch(error);
  });
});

test("a pretend cluster has an API server, which ends with it", { timeout: 60_000 }, async () => {
  const module = new URL("../../fixtures/pod.mjs", import.meta.url);
  await using cluster = await startCluster({ pod: { module }, size: 2, name: "orders", killDetectionMs: 0 });
  const api = await cluster.startApiServer({ sliceDelayMs: 5 });
  const watch = await WatchClient.open(api, `${slicesPath}?${ofOrders}&`);
  const [initial] = await watch.take(1);
  expect(initial!.object["endpoints"]).toMatchObject(
    cluster.pods.map(({ address, name }) => ({ addresses: [address.host], targetRef: { name } })),
  );
  await cluster.kill(cluster.pods[0]!);
  const { object } = await watch.next();
  expect(object["endpoints"]).toMatchObject([{ targetRef: { name: "orders-2" } }]);
  await cluster.scale(0);
  await api.settled();
  expect(sizes(api.slices)).toEqual([0]);
  await cluster.close();
  expect(() => api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" })).toThrow(/is closed/);
  expect(summary(initial!)).toMatch(/^ADDED orders-/);
  await expect(cluster.startApiServer()).rejects.toThrow(/is closed/);
});
