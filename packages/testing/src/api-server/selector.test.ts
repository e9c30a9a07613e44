import { describe, expect, test } from "vitest";
import { parseFieldSelector, parseLabelSelector } from "./selector.ts";

const labels = { app: "orders", "kubernetes.io/service-name": "orders", empty: "" };

describe("parseLabelSelector", () => {
  test.for([
    ["", true],
    ["app=orders", true],
    ["app==orders", true],
    ["app = orders , empty=", true],
    ["app=billing", false],
    ["app=orders,app=billing", false],
    ["kubernetes.io/service-name=orders", true],
    ["app!=billing", true],
    ["absent!=x", true],
    ["app!=orders", false],
    ["app", true],
    ["empty", true],
    ["absent", false],
    ["!absent", true],
    ["!app", false],
    ["app in (billing, orders)", true],
    ["app in (billing)", false],
    ["absent in (orders)", false],
    ["app notin (billing)", true],
    ["absent notin (orders)", true],
    ["app notin (billing,orders)", false],
    ["empty in ()", true],
    ["app=orders,empty in (,x),!absent", true],
  ] as const)("%s: %s", ([text, selected]) => {
    expect(parseLabelSelector(text)(labels)).toBe(selected);
  });

  test.for(["!!", "app=orders,", "=orders", "app in orders", "app=(x)", "a b", ",app"])("refuses %s", (text) => {
    expect(() => parseLabelSelector(text)).toThrow(/found '.*', expected: /);
  });
});

describe("parseFieldSelector", () => {
  test("knows names", () => {
    expect(parseFieldSelector("")).toEqual({});
    expect(parseFieldSelector("metadata.name=a,metadata.namespace==b")).toEqual({ name: "a", namespace: "b" });
    expect(() => parseFieldSelector("spec.x=1")).toThrow(/^"spec.x" is not a known field selector/);
    expect(() => parseFieldSelector("metadata.name!=a")).toThrow(/can't understand/);
  });
});
