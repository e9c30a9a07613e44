import { describe, expect, it } from "vitest";
import { type HealthCheck, healthCheckSettings } from "./options.ts";

describe("healthCheck", () => {
  it("has defaults", () => {
    expect(healthCheckSettings({ service: "" })).toEqual({ kind: "watch", service: "", timeoutMs: 5_000 });
    expect(healthCheckSettings({ path: "/readyz?full" })).toEqual({
      kind: "poll",
      path: "/readyz?full",
      intervalMs: 5_000,
      timeoutMs: 2_000,
    });
    const undefinedOnes = { path: undefined, service: "a", timeoutMs: undefined } as unknown as HealthCheck;
    expect(healthCheckSettings(undefinedOnes)).toMatchObject({ kind: "watch", service: "a", timeoutMs: 5_000 });
    expect(healthCheckSettings({ path: "/", intervalMs: 0.5, timeoutMs: 2 ** 31 - 1 })).toMatchObject({
      intervalMs: 0.5,
      timeoutMs: 2 ** 31 - 1,
    });
  });

  const shapes = /^healthCheck must be \{ service, timeoutMs\? \} or \{ path, intervalMs\?, timeoutMs\? \}, got /;
  it.each([
    [true, TypeError, shapes],
    [null, TypeError, shapes],
    ["shop.OrderService", TypeError, /, got "shop\.OrderService"$/],
    [[], TypeError, shapes],
    [{}, TypeError, /, got neither service nor path$/],
    [{ service: undefined }, TypeError, shapes],
    [{ service: "a", path: "/a" }, TypeError, /, got both service and path$/],
    [{ service: "a", serviceName: "b" }, TypeError, /, got the key serviceName$/],
    [{ service: "a", intervalMs: 1 }, TypeError, /, got service with intervalMs: a watch is told without being asked$/],
    [{ path: "/a", interval: 1 }, TypeError, /, got the key interval$/],
    [{ service: 1 }, TypeError, /^healthCheck\.service must be the name of a service, or "", got 1$/],
    [{ path: "readyz" }, TypeError, /^healthCheck\.path must begin with "\/" and be visible ASCII, got "readyz"$/],
    [{ path: "/a b" }, TypeError, /^healthCheck\.path must begin/],
    [{ path: "/a#b" }, TypeError, /^healthCheck\.path must begin/],
    [{ path: "/a\r\nx: y" }, TypeError, /^healthCheck\.path must begin/],
    [{ path: 1 }, TypeError, /^healthCheck\.path must begin/],
    [
      { path: "/", intervalMs: "1s" },
      TypeError,
      /^healthCheck\.intervalMs must be a number of milliseconds, got "1s"$/,
    ],
    [{ path: "/", intervalMs: 0 }, RangeError, /^healthCheck\.intervalMs must be above 0 and at most 2147483647 mill/],
    [{ path: "/", timeoutMs: Number.POSITIVE_INFINITY }, RangeError, /^healthCheck\.timeoutMs must .*, got Infinity$/],
    [
      { service: "", timeoutMs: Number.NaN },
      TypeError,
      /^healthCheck\.timeoutMs must be a number of milliseconds, got NaN/,
    ],
    [{ service: "", timeoutMs: -1 }, RangeError, /^healthCheck\.timeoutMs must be above 0/],
  ])("refuses %j", (check, type, message) => {
    expect(() => healthCheckSettings(check as HealthCheck)).toThrow(type);
    expect(() => healthCheckSettings(check as HealthCheck)).toThrow(message);
  });
});
