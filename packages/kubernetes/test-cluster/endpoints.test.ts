import { expect, test } from "vitest";
import { kubeconfig } from "../src/index.ts";
import { endpoint, pod, Scene } from "./scene.ts";
import { namespace } from "./settings.ts";
import { Watched } from "./watched.ts";

const patience = { timeout: 15_000, interval: 20 };

function watch(scene: Scene, port = ":8080"): Watched {
  return new Watched(`http://${scene.name}.${namespace}.svc.cluster.local${port}`, { apiServer: kubeconfig() });
}

test("slices that are added, modified and deleted change the set", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { endpoints: [endpoint("10.1.0.1"), endpoint("10.1.0.2")] });
  using watched = watch(scene);
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080", "10.1.0.2:8080"]);
  await scene.slice("b", { endpoints: [endpoint("10.1.0.3")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080"]);
  await scene.slice("a", { endpoints: [endpoint("10.1.0.2"), endpoint("10.1.0.4")] });
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.2:8080", "10.1.0.3:8080", "10.1.0.4:8080"]);
  await scene.deleteSlice("a");
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.3:8080"]);
  expect(watched.updates.map(({ kind }) => kind)).not.toContain("error");
});

test("conditions, zone, node and pod are the endpoint's", async () => {
  await using scene = new Scene();
  await scene.service({ clusterIP: "None" });
  await scene.slice("a", {
    endpoints: [
      { addresses: ["10.1.0.1"] },
      endpoint("10.1.0.2", {
        conditions: { ready: false, serving: true, terminating: true },
        zone: "zone-a",
        nodeName: "node-a",
        hints: { forZones: [{ name: "zone-b" }] },
        ...pod("orders-2", "uid-2"),
      }),
      endpoint("10.1.0.3", { conditions: { ready: false } }),
    ],
  });
  using watched = watch(scene);
  await expect
    .poll(() => watched.endpoints, patience)
    .toMatchObject([
      { key: "10.1.0.1:8080", ready: true, serving: true, terminating: false },
      {
        ...{ key: "uid-2:8080", ready: false, serving: true, terminating: true },
        ...{ zone: "zone-a", nodeName: "node-a", podName: "orders-2", attributes: { forZones: ["zone-b"] } },
      },
      { key: "10.1.0.3:8080", ready: false, serving: false, terminating: false },
    ]);
});

test("a port is found by the slices' name, their number, and the Service's number", async () => {
  await using scene = new Scene();
  const servicePorts = [
    { name: "grpc", port: 80, targetPort: 8080 },
    { name: "admin", port: 81, targetPort: 9090 },
  ];
  await scene.service({ ports: servicePorts });
  const ports = [
    { name: "grpc", port: 8080, protocol: "TCP" },
    { name: "admin", port: 9090, protocol: "TCP" },
  ];
  await scene.slice("a", { ports, endpoints: [endpoint("10.1.0.1")] });
  const host = `${scene.name}.${namespace}`;
  const apiServer = kubeconfig();
  using byName = new Watched(`http://${host}`, { apiServer, port: "admin" });
  using byNumber = new Watched(`http://${host}:8080`, { apiServer });
  using byServicePort = new Watched(`http://${host}:81`, { apiServer });
  using unknown = new Watched(`http://${host}:82`, { apiServer });
  await expect.poll(() => byName.last, patience).toEqual(["10.1.0.1:9090"]);
  await expect.poll(() => byNumber.last, patience).toEqual(["10.1.0.1:8080"]);
  await expect.poll(() => byServicePort.last, patience).toEqual(["10.1.0.1:9090"]);
  await expect.poll(() => unknown.last, patience).toMatch(/there is no port 82.*grpc \(8080\), admin \(9090\)/);
});

test("a port number of the Service is the pods' own, which may differ", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("a", { ports: [{ name: "grpc", port: 8080 }], endpoints: [endpoint("10.1.0.1")] });
  await scene.slice("b", { ports: [{ name: "grpc", port: 9090 }], endpoints: [endpoint("10.1.0.2")] });
  using watched = watch(scene, "");
  await expect.poll(() => watched.last, patience).toEqual(["10.1.0.1:8080", "10.1.0.2:9090"]);
});

test("the two addresses of a dual-stack pod are one endpoint", async () => {
  await using scene = new Scene();
  await scene.service();
  await scene.slice("v6", {
    addressType: "IPv6",
    endpoints: [endpoint("2001:db8::1", pod("orders-1", "uid-1")), endpoint("2001:db8::2", pod("orders-2", "uid-2"))],
  });
  await scene.slice("v4", { endpoints: [endpoint("10.1.0.1", pod("orders-1", "uid-1"))] });
  using watched = watch(scene);
  await expect.poll(() => watched.endpoints.length, patience).toBe(2);
  const addresses = Object.fromEntries(watched.endpoints.map((each) => [each.key, each.addresses]));
  expect(addresses).toEqual({
    "uid-1:8080": [
      { host: "10.1.0.1", port: 8080 },
      { host: "2001:db8::1", port: 8080 },
    ],
    "uid-2:8080": [{ host: "2001:db8::2", port: 8080 }],
  });
});

test("an endpoint that moves to another slice is never missing, and never there twice", async () => {
  await using scene = new Scene();
  await scene.service();
  const moving = endpoint("10.1.0.1", pod("orders-1", "uid-1"));
  await scene.slice("a", { endpoints: [moving, endpoint("10.1.0.2")] });
  await scene.slice("b", { endpoints: [endpoint("10.1.0.3")] });
  using watched = watch(scene);
  const all = ["10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080"];
  await expect.poll(() => watched.last, patience).toEqual(all);
  await scene.slice("b", { endpoints: [endpoint("10.1.0.3"), moving] });
  await scene.slice("a", { endpoints: [endpoint("10.1.0.2")] });
  await scene.slice("c", { endpoints: [endpoint("10.1.0.4")] });
  await expect.poll(() => watched.last, patience).toEqual([...all, "10.1.0.4:8080"]);
  for (const update of watched.updates) {
    const endpoints = update.kind === "endpoints" ? update.endpoints : [];
    expect(endpoints.filter(({ key }) => key === "uid-1:8080")).toHaveLength(1);
  }
});

test("three slices of 100 endpoints are one set", async () => {
  await using scene = new Scene();
  await scene.service();
  for (const index of [0, 1, 2]) {
    const endpoints = Array.from({ length: 100 }, (_, n) => endpoint(`10.1.${index}.${n + 1}`));
    await scene.slice(String(index), { endpoints });
  }
  using watched = watch(scene);
  await expect.poll(() => watched.endpoints.length, patience).toBe(300);
});

/** Slices are listed in pages of 100. */
test("slices beyond one page are listed, too", async () => {
  await using scene = new Scene();
  await scene.service();
  for (let made = 0; made < 112; made += 8) {
    const numbers = Array.from({ length: 8 }, (_, n) => made + n + 1);
    await Promise.all(numbers.map((n) => scene.slice(String(n), { endpoints: [endpoint(`10.1.1.${n}`)] })));
  }
  using watched = watch(scene);
  await expect.poll(() => watched.endpoints.length, patience).toBe(112);
});
