import { createEndpoint } from "@evenkeel/core";
import { expect, test } from "vitest";
import { toEndpoint, toGrpcEndpoint } from "./endpoints.ts";

const pod = {
  ...createEndpoint({ host: "10.0.0.1", port: 80, key: "uid-1", podName: "orders-1", zone: "a", weight: 3 }),
  addresses: [
    { host: "10.0.0.1", port: 80 },
    { host: "2001:db8::1", port: 80 },
  ],
} as const;

test("grpc-js sees all addresses of an endpoint, and policies all that is known of it", () => {
  const grpcEndpoint = toGrpcEndpoint(pod);
  expect(grpcEndpoint).toEqual({ addresses: pod.addresses });
  expect(toEndpoint(grpcEndpoint)).toBe(pod);
});

test("of the endpoints of grpc-js's own resolvers the addresses are known", () => {
  const addresses = [
    { host: "10.0.0.1", port: 80 },
    { host: "2001:db8::1", port: 80 },
  ];
  expect(toEndpoint({ addresses })).toMatchObject({ key: "10.0.0.1:80,[2001:db8::1]:80", addresses, ready: true });
  expect(toEndpoint({ addresses: [{ path: "/run/orders" }] })).toMatchObject({
    key: "/run/orders:0",
    addresses: [{ host: "/run/orders", port: 0 }],
  });
});

test("its addresses are a set: their order is not part of its key", () => {
  const [first, second] = pod.addresses;
  expect(toEndpoint({ addresses: [second, first] }).key).toBe(toEndpoint({ addresses: [first, second] }).key);
});

test("an endpoint without an address is none", () => {
  expect(() => toEndpoint({ addresses: [] })).toThrow(new RangeError("an endpoint without an address"));
});
