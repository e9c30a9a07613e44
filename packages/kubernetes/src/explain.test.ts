import { loadYaml } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { ApiError } from "./api/api-error.ts";
import { explain, roleText } from "./explain.ts";

const orders = { service: "orders", namespace: "shop" };

const forbidden = (user: string): ApiError =>
  new ApiError(
    403,
    `endpointslices.discovery.k8s.io is forbidden: User "${user}" cannot list resource "endpointslices" in API group ` +
      '"discovery.k8s.io" in the namespace "shop" (403)',
  );

describe("what could not be learnt", () => {
  test("is said with the Service, the reason and the cause", () => {
    const cause = new Error("connect ECONNREFUSED 10.96.0.1:443");
    const error = explain(cause, orders);
    expect(error.message).toBe("EndpointSlices of Service shop/orders: connect ECONNREFUSED 10.96.0.1:443");
    expect(error.cause).toBe(cause);
  });

  test.each([
    ["system:serviceaccount:shop:checkout", "the ServiceAccount checkout in namespace shop"],
    ["system:serviceaccount:other:default", "the ServiceAccount default in namespace other"],
    ["jane@example.com", "the user jane@example.com"],
  ])("for want of a right is said with the Role, and with whom to bind it to: %s", (user, subject) => {
    const { message } = explain(forbidden(user), orders);
    expect(message).toContain(`User "${user}" cannot list resource "endpointslices"`);
    expect(message).toContain(`Grant it with this Role, bound to ${subject}:\n${roleText("shop")}`);
  });

  test("for want of credentials is said without a Role, which nobody should give to strangers", () => {
    const { message } = explain(forbidden("system:anonymous"), orders);
    expect(message).toMatch(/\(403\)\. No credentials were sent: it takes a token$/);
  });

  test("for want of a right, from a server that does not say whose", () => {
    expect(explain(new ApiError(403, "forbidden (403)"), orders).message).toContain(
      "forbidden (403). Grant it with this Role, bound to the client's ServiceAccount:\n",
    );
  });

  test("is said with what to do about it: 401, 404", () => {
    expect(explain(new ApiError(401, "Unauthorized (401)"), orders).message).toContain("token of the service account");
    expect(explain(new ApiError(404, "404 page not found (404)"), orders).message).toContain(
      "Kubernetes 1.21 or newer",
    );
  });

  test("is said without advice where there is none", () => {
    expect(explain(new ApiError(500, "etcd is away (500)"), orders).message).toBe(
      "EndpointSlices of Service shop/orders: etcd is away (500)",
    );
  });
});

test("the Role grants what the resolver asks for, and no more", () => {
  expect(loadYaml(roleText("shop"))).toEqual({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "evenkeel", namespace: "shop" },
    rules: [
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      { apiGroups: [""], resources: ["services"], verbs: ["get"] },
    ],
  });
});
