import { expect, test } from "vitest";
import { checkedService, checkedSlice, MalformedError } from "./checks.ts";

const metadata = { name: "orders-1" };

test.each([
  { endpoints: [null] },
  { endpoints: [{ addresses: [5] }] },
  { endpoints: [{ addresses: "10.0.0.1" }] },
  { endpoints: [{ addresses: [{}] }] },
  { endpoints: [{ conditions: true }] },
  { endpoints: [{ targetRef: "pod" }] },
  { endpoints: [{ hints: { forZones: [null] } }] },
  { endpoints: [{ hints: { forZones: "a" } }] },
  { endpoints: [{ hints: { forNodes: [{ name: 7 }] } }] },
  { endpoints: {} },
  { ports: [7] },
  { ports: {} },
  { metadata: {} },
])("is no slice: %j", (fields) => {
  expect(() => checkedSlice({ metadata, ...fields })).toThrow(MalformedError);
});

test.each([
  {},
  { endpoints: null, ports: null },
  { endpoints: [{}] },
  { endpoints: [{ addresses: ["10.0.0.1"], conditions: null, targetRef: null, hints: null }] },
  { endpoints: [{ addresses: null, hints: { forZones: null } }] },
])("is a slice: %j", (fields) => {
  const slice = { metadata, ...fields };
  expect(checkedSlice(slice)).toBe(slice);
});

test("is no Service with ports that are none", () => {
  expect(() => checkedService({ spec: { ports: [5] } })).toThrow(MalformedError);
  expect(checkedService({ spec: {} })).toEqual({ spec: {} });
});
