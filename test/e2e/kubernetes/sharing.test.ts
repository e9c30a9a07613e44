import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@evenkeel/connect";
import { apiServerAt, inCluster, kubernetes } from "@evenkeel/kubernetes";
import { expect, it, onTestFinished } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { openShop } from "./shop.ts";

it("transports to one Service share one watch, which the last of them ends", async () => {
  const { cluster, api, transport, failures } = await openShop(2);
  const resolver = () => kubernetes({ apiServer: inCluster(api.serviceAccount) });
  const other = createConnectTransport({ baseUrl: cluster.url, httpVersion: "2", resolver: resolver() });
  onTestFinished(() => other.close());
  await api.untilWatched();
  const before = api.requests.length;
  await createClient(DemoService, other).charge({});
  expect(api.requests).toHaveLength(before);
  expect(api.watches).toHaveLength(1);
  await failures();
  await transport.close();
  await cluster.scale(3);
  await api.settled();
  expect(api.watches).toHaveLength(1);
  await expect.poll(() => other.channel.snapshot().endpoints.filter(({ state }) => state === "ready")).toHaveLength(3);
  await other.close();
  await api.until(() => api.watches.length === 0);

  const again = createGrpcTransport({ baseUrl: cluster.url, resolver: resolver() });
  onTestFinished(() => again.close());
  await createClient(DemoService, again).charge({});
  await api.untilWatched();
});

it("another identity has a watch of its own", async () => {
  const { cluster, api, failures } = await openShop(1);
  const { url, token, ca = "" } = api;
  const other = createGrpcTransport({
    baseUrl: cluster.url,
    resolver: kubernetes({ apiServer: apiServerAt(url, { token, ca }) }),
  });
  onTestFinished(() => other.close());
  await createClient(DemoService, other).charge({});
  await api.untilWatched(2);
  expect(await failures()).toEqual([]);
});

it("an RPC that may not learn the endpoints says which Role it takes", async () => {
  const { cluster, api, failures } = await openShop(1);
  await failures();
  const allow = api.deny({ resource: "endpointslices" });
  const { url, token, ca = "" } = api;
  const transport = createGrpcTransport({
    baseUrl: cluster.url,
    resolver: kubernetes({ apiServer: apiServerAt(url, { token, ca }) }),
  });
  onTestFinished(() => transport.close());
  const client = createClient(DemoService, transport);
  await expect(client.charge({})).rejects.toThrow(/is forbidden: User .*kind: Role\n.*verbs: \[list, watch\]/s);
  allow();
  await expect.poll(() => client.charge({}).catch(() => undefined), { timeout: 5_000 }).toMatchObject({ pod: "pod-1" });
});
