import { describe, expect, test } from "vitest";
import { parseTarget } from "./target.ts";

describe("parseTarget", () => {
  test("tells scheme, host, port and authority apart", () => {
    expect(parseTarget("http://orders.shop.svc.cluster.local:8080")).toEqual({
      text: "http://orders.shop.svc.cluster.local:8080",
      scheme: "http",
      host: "orders.shop.svc.cluster.local",
      port: 8080,
      authority: "orders.shop.svc.cluster.local:8080",
    });
  });

  test.each([
    ["http://orders", 80],
    ["https://orders", 443],
    ["http://orders:443", 443],
    ["https://orders:80", 80],
  ])("takes the scheme's default port where none is given: %s", (text, port) => {
    expect(parseTarget(text).port).toBe(port);
  });

  test.each([
    ["http://orders:80", "orders"],
    ["https://orders:443", "orders"],
    ["https://orders:8443", "orders:8443"],
    ["http://[::1]:80", "[::1]"],
    ["http://[::1]:8080", "[::1]:8080"],
  ])("leaves the default port out of the authority: %s", (text, authority) => {
    expect(parseTarget(text).authority).toBe(authority);
  });

  test("takes the brackets off an IPv6 host, and not off the authority", () => {
    expect(parseTarget("https://[2001:db8::7]:8443")).toMatchObject({
      host: "2001:db8::7",
      port: 8443,
      authority: "[2001:db8::7]:8443",
    });
  });

  test("ignores path and query, which are the transport's prefix", () => {
    expect(parseTarget("https://gateway/api/v1?x=1")).toMatchObject({
      host: "gateway",
      port: 443,
      authority: "gateway",
    });
  });

  test("reads scheme and host in lower case, as URLs do", () => {
    expect(parseTarget("HTTPS://Orders.Example")).toMatchObject({ scheme: "https", host: "orders.example" });
  });

  test.each([
    "",
    "orders",
    "//orders:8080",
    "http://",
    "http://orders:65536",
    "http://orders:x",
    "http://[::1",
    "http://a b",
  ])("refuses what is no URL: %j", (text) => {
    expect(() => parseTarget(text)).toThrow(
      new TypeError(`malformed target ${JSON.stringify(text)}: expected "http://host:port" or "https://host:port"`),
    );
  });

  test.each([
    ["dns:///orders:8080", "dns"],
    ["localhost:8080", "localhost"],
    ["unix:/run/orders.sock", "unix"],
  ])("names the scheme that it does not know: %s", (text, scheme) => {
    expect(() => parseTarget(text)).toThrow(TypeError);
    expect(() => parseTarget(text)).toThrow(`unsupported scheme "${scheme}"`);
  });

  test("refuses port 0", () => {
    expect(() => parseTarget("http://orders:0")).toThrow(
      new TypeError('port 0 in target "http://orders:0": expected 1 to 65535'),
    );
  });

  test("refuses credentials without repeating them", () => {
    let message = "";
    try {
      parseTarget("https://jane:secret@orders");
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("send credentials in a header");
    expect(message).not.toContain("secret");
  });

  test("refuses what is no string", () => {
    expect(() => parseTarget(undefined as unknown as string)).toThrow(TypeError);
    expect(() => parseTarget(new URL("http://orders") as unknown as string)).toThrow("malformed target");
  });
});
