import { parseTarget } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { isLabel, parseServiceHost } from "./service-name.ts";

describe("the host of a Service", () => {
  test.each([
    ["orders", "orders", undefined],
    ["orders.", "orders", undefined],
    ["orders.shop", "orders", "shop"],
    ["orders.shop.svc", "orders", "shop"],
    ["orders.shop.svc.", "orders", "shop"],
    ["orders.shop.svc.cluster.local", "orders", "shop"],
    ["orders.shop.svc.cluster.local.", "orders", "shop"],
    ["orders.shop.svc.corp.example", "orders", "shop"],
    ["a-1.b-2.svc", "a-1", "b-2"],
  ])("%s", (host, service, namespace) => {
    expect(parseServiceHost(host)).toEqual({ service, namespace });
    expect(parseServiceHost(parseTarget(`http://${host}:8080`).host)).toEqual({ service, namespace });
  });

  test.each([
    "10.0.0.1",
    "::1",
    "",
    ".",
    ".shop",
    "orders..svc",
    "orders.shop.example",
    "pod-1.orders.shop.svc",
    "-orders",
    "orders-",
    "or_ders",
    "ORDERS",
    "orders.shop.SVC",
    "orders/..",
    "orders%2f",
    `${"a".repeat(64)}`,
    "orders.-shop",
  ])("is not %j", (host) => {
    expect(() => parseServiceHost(host)).toThrow(TypeError);
    expect(() => parseServiceHost(host)).toThrow(
      `${JSON.stringify(host)} is no name of a Service: expected "svc", "svc.ns", "svc.ns.svc" or ` +
        '"svc.ns.svc.cluster.local", or kubernetes({ service })',
    );
  });
});

test("a DNS label has 1 to 63 letters, digits and hyphens between", () => {
  for (const label of ["a", "7", "a-b", "0-0", "x".repeat(63)]) {
    expect(isLabel(label)).toBe(true);
  }
  for (const text of ["", "-", "a-", "-a", "A", "a.b", "a b", "ä", "x".repeat(64), "a\n"])
    expect(isLabel(text)).toBe(false);
});
