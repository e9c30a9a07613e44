import { describe, expect, test } from "vitest";
import { apiServerAt } from "./api/api-server-at.ts";
import { kubernetes } from "./kubernetes.ts";
import { checkOptions, type KubernetesOptions } from "./options.ts";

const check = (options: object): KubernetesOptions => checkOptions(options as KubernetesOptions);

describe("the options of kubernetes()", () => {
  test.each<KubernetesOptions>([
    {},
    { service: "orders" },
    { service: "orders", namespace: "shop", port: "grpc", zone: "eu/Central 1" },
    { port: 1 },
    { port: 65_535 },
    { port: "8080" },
    { apiServer: apiServerAt("http://127.0.0.1:8001") },
  ])("may be %j", (options) => {
    expect(check(options)).toBe(options);
  });

  test("may be undefined each", () => {
    const options = {
      service: undefined,
      namespace: undefined,
      port: undefined,
      zone: undefined,
      apiServer: undefined,
    };
    expect(check(options)).toBe(options);
  });

  test.each([
    [{ servce: "orders" }, "unknown option servce: expected service, namespace, port, zone, apiServer"],
    [JSON.parse('{"__proto__": "x"}'), "unknown option __proto__"],
    [{ service: "" }, 'service: expected a name, got ""'],
    [{ service: 7 }, "service: expected a name, got 7"],
    [{ service: null }, "service: expected a name, got null"],
    [{ service: "orders.shop" }, 'service: expected a DNS label (a-z, 0-9 and "-"), got "orders.shop"'],
    [{ service: "../secrets" }, "service: expected a DNS label"],
    [{ namespace: "Shop" }, 'namespace: expected a DNS label (a-z, 0-9 and "-"), got "Shop"'],
    [{ namespace: "" }, 'namespace: expected a name, got ""'],
    [{ zone: "" }, 'zone: expected a name, got ""'],
    [{ port: "" }, "port: expected a name or a number, got "],
    [{ port: null }, "port: expected a name or a number, got null"],
    [{ port: [8080] }, "port: expected a name or a number, got 8080"],
    [{ apiServer: "http://127.0.0.1:8001" }, "apiServer: expected inCluster(), kubeconfig() or apiServerAt()"],
    [{ apiServer: null }, "apiServer: expected inCluster(), kubeconfig() or apiServerAt()"],
    [{ apiServer: { key: "x" } }, "apiServer: expected inCluster(), kubeconfig() or apiServerAt()"],
  ])("may not be %j", (options, message) => {
    expect(() => check(options)).toThrow(TypeError);
    expect(() => check(options)).toThrow(`kubernetes: ${message}`);
    expect(() => kubernetes(options)).toThrow(`kubernetes: ${message}`);
  });

  test.each([0, -1, 65_536, 80.5, Number.NaN, Number.POSITIVE_INFINITY, "0", "65536", "99999999999"])(
    "may have no port %j",
    (port) => {
      expect(() => check({ port })).toThrow(RangeError);
      expect(() => check({ port })).toThrow(`kubernetes: port: expected 1 to 65535, got ${port}`);
    },
  );
});
