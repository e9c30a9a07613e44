import { describe, expect, test } from "vitest";
import { apiServerAt } from "./api-server-at.ts";

describe("apiServerAt()", () => {
  test("is what it is told, and nothing else", async () => {
    expect(await apiServerAt("http://127.0.0.1:8001").access()).toEqual({
      url: new URL("http://127.0.0.1:8001"),
      options: {},
      namespace: undefined,
    });
    const options = { token: "s3cret", ca: "PEM", namespace: "shop" };
    expect(await apiServerAt("https://host/k8s/clusters/c-1", options).access()).toEqual({
      url: new URL("https://host/k8s/clusters/c-1"),
      options: { ca: "PEM", headers: { authorization: "Bearer s3cret" } },
      namespace: "shop",
    });
  });

  test("has one key for each server and identity", () => {
    const servers = [
      apiServerAt("http://a"),
      apiServerAt("http://b"),
      apiServerAt("http://a", { token: "x" }),
      apiServerAt("http://a", { ca: "x" }),
    ];
    expect(new Set(servers.map(({ key }) => key)).size).toBe(4);
    expect(apiServerAt("http://a", { namespace: "shop" }).key).toBe(apiServerAt("http://a").key);
  });

  test.each(["", "127.0.0.1:8001", "/path", "ftp://host", "http://", "unix:///run/x"])("refuses %j", (url) => {
    expect(() => apiServerAt(url)).toThrow(
      new TypeError(`malformed URL of an API server ${JSON.stringify(url)}: expected "https://host:port/path"`),
    );
  });
});
