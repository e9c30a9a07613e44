import { expect, test } from "vitest";
import { apiServerAt } from "./api/api-server-at.ts";
import { inCluster } from "./api/in-cluster.ts";
import { kubeconfig } from "./api/kubeconfig.ts";
import { kubernetes } from "./kubernetes.ts";

const wrong: readonly (readonly [name: string, make: () => unknown, message: string])[] = [
  ["kubernetes(null)", () => kubernetes(null as never), "kubernetes: expected options, got null"],
  ["kubernetes([])", () => kubernetes([] as never), "kubernetes: expected options"],
  ["a port that no port is named", () => kubernetes({ port: "http x" }), "kubernetes: port: expected a DNS label"],
  ["apiServerAt, unknown", () => apiServerAt("http://a", { tokn: "x" } as never), "apiServerAt: unknown option tokn"],
  ["apiServerAt, number", () => apiServerAt("http://a", { token: 5 } as never), "apiServerAt: token: expected a text"],
  ["apiServerAt, query", () => apiServerAt("http://a?x=1"), "malformed URL of an API server"],
  ["inCluster, unknown", () => inCluster({ dir: "/x" } as never), "inCluster: unknown option dir"],
  ["inCluster, port", () => inCluster({ host: "a", port: "abc" }), "inCluster: host, port"],
  ["inCluster, host", () => inCluster({ host: "evil/x" }), "inCluster: host, port"],
  ["kubeconfig, unknown", () => kubeconfig({ pth: "x" } as never), "kubeconfig: unknown option pth"],
  ["kubeconfig, empty", () => kubeconfig({ path: "" }), "kubeconfig: path: expected a text"],
];

test.each(wrong)("refuses %s", (_name, make, message) => {
  expect(make).toThrow(TypeError);
  expect(make).toThrow(message);
});

test("does not show the password of a URL", () => {
  expect(() => apiServerAt("https://user:s3cret@a")).toThrow(/^URL of an API server with credentials: use the token$/);
});
