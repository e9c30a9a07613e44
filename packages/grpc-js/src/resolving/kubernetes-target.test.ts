import { apiServerAt } from "@evenkeel/kubernetes";
import { startApiServer } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { resolved, uriOf } from "../../test-helpers/targets.ts";
import { kubernetesTarget } from "./kubernetes-target.ts";
import { defaultAuthority } from "./target-type.ts";

async function startOrders() {
  const api = await startApiServer({ tls: false, namespace: "own" });
  onTestFinished(() => api.close());
  for (const namespace of ["shop", "own"]) {
    api.setSlice({
      metadata: { name: "orders-1", namespace, labels: { "kubernetes.io/service-name": "orders" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [namespace === "own" ? "10.0.0.9" : "10.0.0.1"], conditions: { ready: true } }],
      ports: [
        { name: "http", port: 8080 },
        { name: "grpc", port: 9090 },
      ],
    });
    api.setService({
      metadata: { name: "orders", namespace },
      spec: {
        ports: [
          { name: "http", port: 80 },
          { name: "grpc", port: 443 },
        ],
      },
    });
  }
  return kubernetesTarget({ apiServer: apiServerAt(api.url, { namespace: "own", token: api.token }) });
}

describe("kubernetes:///", () => {
  test.each([
    ["kubernetes:///orders.shop:grpc", "10.0.0.1:9090"],
    ["kubernetes:///orders.shop:8080", "10.0.0.1:8080"],
    ["kubernetes:///orders.shop:80", "10.0.0.1:8080"],
    ["kubernetes:///orders.shop", "10.0.0.1:9090"],
    ["kubernetes:orders.shop:http", "10.0.0.1:8080"],
    ["kubernetes:///orders.shop.svc:grpc", "10.0.0.1:9090"],
    ["kubernetes:///orders.shop.svc.cluster.local:grpc", "10.0.0.1:9090"],
    ["kubernetes:///orders:grpc", "10.0.0.9:9090"],
    ["kubernetes:///orders.shop:nope", 'Service shop/orders: there is no port named "nope"; its EndpointSlices have'],
    ["kubernetes:///orders.shop:81", "Service shop/orders: there is no port 81; its EndpointSlices have"],
    ["kubernetes:///carts.shop:grpc", "Service shop/carts does not exist"],
    ["kubernetes:///orders.shop:GRPC", 'kubernetes: port: expected a DNS label (a-z, 0-9 and "-") or a number'],
    ["kubernetes:///orders.shop:70000", "kubernetes: port: expected 1 to 65535, got 70000"],
    ["kubernetes:///orders.shop.example.com:80", '"orders.shop.example.com" is no name of a Service: expected "svc"'],
    ["kubernetes:///10.0.0.1:80", '"10.0.0.1" is no name of a Service'],
  ])("%s is %s", async (target, expected) => {
    expect(await resolved(await startOrders(), target)).toContain(expected);
  });

  test.each([
    ["kubernetes:///orders.shop:8080", "orders.shop:8080"],
    ["kubernetes:///orders.shop:grpc", "orders.shop"],
    ["kubernetes:///orders.shop", "orders.shop"],
    ["kubernetes:///orders.shop.svc.cluster.local:8080", "orders.shop.svc.cluster.local:8080"],
    ["kubernetes:///orders:shop:80", "orders:shop:80"],
    ["kubernetes://shop/orders:80", "orders:80"],
  ])("the authority of %s is %s", (target, authority) => {
    expect(defaultAuthority(kubernetesTarget(), uriOf(target))).toBe(authority);
  });

  const wanted = 'expected "kubernetes:///svc.ns:port", the port a name, a number or left out';

  test.each([
    "kubernetes:///orders.shop:",
    "kubernetes:///:80",
    "kubernetes:///orders:80:80",
    "kubernetes:///[::1]:80",
    "kubernetes:///orders shop",
    "kubernetes:///orders/shop",
    "kubernetes://orders.shop:80",
    "kubernetes:/orders.shop:80",
  ])("%s is malformed", (target) => {
    const error = new TypeError(`malformed target: ${wanted}`);
    expect(() => kubernetesTarget().parse(uriOf(target))).toThrow(error);
  });

  test("an authority is refused", () => {
    const error = new TypeError(`malformed target: there is no place for "shop", ${wanted}`);
    expect(() => kubernetesTarget().parse(uriOf("kubernetes://shop/orders:80"))).toThrow(error);
  });

  test.each([
    [{ zone: "" }, 'kubernetes: zone: expected a name, got ""'],
    [{ apiServer: "https://10.0.0.1" }, "kubernetes: apiServer: expected inCluster(), kubeconfig() or apiServerAt()"],
    [{ service: "orders" }, "service: no option of kubernetes, which has apiServer, zone"],
    [{ port: 80 }, "port: no option of kubernetes"],
  ])("refuses the options %j", (options, message) => {
    expect(() => kubernetesTarget(options as never)).toThrow(TypeError);
    expect(() => kubernetesTarget(options as never)).toThrow(message);
  });
});
