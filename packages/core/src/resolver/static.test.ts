import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import type { Endpoint, EndpointInit } from "../endpoint/endpoint.ts";
import { parseTarget } from "../target/target.ts";
import type { ResolverUpdate } from "./resolver.ts";
import { staticEndpoints } from "./static.ts";

function resolve(addresses: readonly (string | EndpointInit)[]): readonly Endpoint[] {
  const updates: ResolverUpdate[] = [];
  const clock = new FakeClock();
  const target = parseTarget("http://orders");
  const resolver = staticEndpoints(addresses)(target, (update) => updates.push(update), {
    clock,
    random: seededRandom(1),
  });
  resolver.resolveNow();
  resolver.close();
  expect(clock.pending).toBe(0);
  const [update, ...more] = updates;
  if (update?.kind !== "endpoints" || more.length > 0)
    throw new Error(`expected one set, got ${JSON.stringify(updates)}`);
  return update.endpoints;
}

describe("staticEndpoints", () => {
  test("tells its set once, and before the factory returns", () => {
    expect(resolve(["127.0.0.2:8080", { host: "127.0.0.3", port: 8081, zone: "a", weight: 3 }])).toEqual([
      expect.objectContaining({ key: "127.0.0.2:8080", addresses: [{ host: "127.0.0.2", port: 8080 }], weight: 1 }),
      expect.objectContaining({ key: "127.0.0.3:8081", zone: "a", weight: 3, ready: true, serving: true }),
    ]);
  });

  test("takes IPv6 addresses in brackets, and host names", () => {
    const given = ["[::1]:8080", "[fe80::1%eth0]:80", { host: "2001:db8::7", port: 80 }, "orders-0.orders:80"];
    expect(resolve(given).map(({ addresses }) => addresses[0])).toEqual([
      { host: "::1", port: 8080 },
      { host: "fe80::1%eth0", port: 80 },
      { host: "2001:db8::7", port: 80 },
      { host: "orders-0.orders", port: 80 },
    ]);
  });

  test("may be empty", () => {
    expect(resolve([])).toEqual([]);
  });

  test.each([
    "",
    "127.0.0.2",
    ":8080",
    "127.0.0.2:",
    "127.0.0.2:http",
    "::1:8080",
    "[::1]",
    "http://127.0.0.2:8080",
    " 127.0.0.2:8080",
    "127.0.0.2:80 80",
    "[orders]:80",
    "[1:2]:80",
    "orders/x:80",
    "127.0.0.2:0",
    "127.0.0.2:65536",
    "127.0.0.2:-1",
  ])("refuses the malformed address %j, and names it", (address) => {
    expect(() => staticEndpoints([address])).toThrow(TypeError);
    expect(() => staticEndpoints([address])).toThrow(`malformed endpoint ${JSON.stringify(address)}: expected`);
  });

  test.each([
    [{ host: "", port: 80 }],
    [{ host: "[::1]", port: 80 }],
    [{ host: "a:80", port: 80 }],
    [{ host: "a b", port: 80 }],
    [{ host: "a", port: 0 }],
    [{ host: "a", port: 1.5 }],
    [{ host: "a", port: Number.NaN }],
    [{ host: "a", port: 80, weight: 0 }],
    [{ host: "a", port: 80, weight: -1 }],
    [{ host: "a", port: 80, weight: Number.POSITIVE_INFINITY }],
    [{ port: 80 } as EndpointInit],
    [{ host: "a" } as EndpointInit],
    [null as unknown as EndpointInit],
    [undefined as unknown as EndpointInit],
  ])("refuses %j", (init) => {
    expect(() => staticEndpoints([init])).toThrow(TypeError);
    expect(() => staticEndpoints([init])).toThrow("malformed endpoint");
  });

  test("refuses the same endpoint twice", () => {
    expect(() => staticEndpoints(["a:80", { host: "a", port: 80 }])).toThrow(
      new TypeError('endpoint "a:80" is given twice'),
    );
    expect(() =>
      staticEndpoints([
        { host: "a", port: 80, key: "one" },
        { host: "b", port: 80, key: "one" },
      ]),
    ).toThrow('endpoint "one" is given twice');
  });
});
