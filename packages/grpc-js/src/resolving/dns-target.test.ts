import { describe, expect, test } from "vitest";
import { resolved, uriOf } from "../../test-helpers/targets.ts";
import { dnsTarget } from "./dns-target.ts";
import { defaultAuthority } from "./target-type.ts";

const lookup = (host: string) => Promise.resolve(host === "none" ? [] : [{ address: "10.0.0.1", family: 4 }]);

describe("evenkeel-dns:///", () => {
  test.each([
    ["evenkeel-dns:///orders.shop:80", "10.0.0.1:80", "orders.shop:80"],
    ["evenkeel-dns:///orders.shop", "10.0.0.1:443", "orders.shop"],
    ["evenkeel-dns:orders.shop:80", "10.0.0.1:80", "orders.shop:80"],
    ["evenkeel-dns:///10.0.0.7:80", "10.0.0.7:80", "10.0.0.7:80"],
    ["evenkeel-dns:///[::1]:80", "[::1]:80", "[::1]:80"],
    ["evenkeel-dns:///::1", "[::1]:443", "::1"],
    ["evenkeel-dns:///_grpc.Orders-1.shop.:80", "10.0.0.1:80", "_grpc.Orders-1.shop.:80"],
    ["evenkeel-dns:///bücher.example:80", "10.0.0.1:80", "xn--bcher-kva.example:80"],
    ["evenkeel-dns:///none:80", "DNS look-up of none failed: none has no address", "none:80"],
  ])("%s is %s", async (target, endpoints, authority) => {
    expect(await resolved(dnsTarget({ lookup }), target)).toBe(endpoints);
    expect(defaultAuthority(dnsTarget(), uriOf(target))).toBe(authority);
  });

  test.each([
    "evenkeel-dns:///orders:",
    "evenkeel-dns:///orders:grpc",
    "evenkeel-dns:///orders:0",
    "evenkeel-dns:///orders:65536",
    "evenkeel-dns:///:80",
    "evenkeel-dns:///a:1:2",
    "evenkeel-dns:///[orders]:80",
    "evenkeel-dns:///orders shop:80",
    "evenkeel-dns:///a:1,b:2",
    'evenkeel-dns:///"orders":80',
    "evenkeel-dns:///a\\b:80",
    "evenkeel-dns:///a\u0001b:80",
    "evenkeel-dns:///%41:80",
    "evenkeel-dns:///bücher.example ohne:80",
    "evenkeel-dns://orders:80",
  ])("%s is malformed", (target) => {
    const error = new TypeError('malformed target: expected "evenkeel-dns:///name:port"');
    expect(() => dnsTarget().parse(uriOf(target))).toThrow(error);
    expect(defaultAuthority(dnsTarget(), uriOf(target))).toBe(uriOf(target).path);
  });

  test("an authority is the DNS server to ask", async () => {
    const found = await resolved(dnsTarget(), "evenkeel-dns://127.0.0.1:1/orders.shop:80");
    expect(found).toMatch(/^DNS look-up of orders\.shop failed: query\w+ ECONNREFUSED orders\.shop$/);
  });

  test.each([
    [
      "evenkeel-dns://ns.example.com/orders:80",
      {},
      'malformed target: "ns.example.com" is no address of a DNS server, expected "evenkeel-dns://10.0.0.10/name:port"',
    ],
    [
      "evenkeel-dns://127.0.0.1/orders:80",
      { lookup },
      "malformed target: there is no place for a DNS server where register() has dns.lookup, expected " +
        '"evenkeel-dns:///name:port"',
    ],
  ])("the authority of %s, with %j, is refused", (target, options, message) => {
    expect(() => dnsTarget(options).parse(uriOf(target))).toThrow(new TypeError(message));
  });

  test("a name that is not ASCII is asked for as IDNA has it", () => {
    const { target } = dnsTarget().parse(uriOf("evenkeel-dns:///bücher.example:80"));
    expect(target.host).toBe("xn--bcher-kva.example");
  });

  test("refuses bad options", () => {
    expect(() => dnsTarget({ refreshMs: 0 })).toThrow(RangeError);
    expect(() => dnsTarget({ refresh: 5 } as never)).toThrow("refresh: no option of dns");
  });
});
