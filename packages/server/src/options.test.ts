import { hostname } from "node:os";
import { afterEach, expect, test, vi } from "vitest";
import { resolveOptions } from "./options.ts";

afterEach(() => vi.unstubAllEnvs());

test("defaults", () => {
  vi.stubEnv("POD_NAME", undefined);
  expect(resolveOptions({})).toMatchObject({
    maxConnectionAgeMs: Number.POSITIVE_INFINITY,
    maxConnectionAgeGraceMs: Number.POSITIVE_INFINITY,
    readinessDelayMs: 5_000,
    drainTimeoutMs: 20_000,
    goawayNoticeTimeoutMs: 5_000,
    goawayPingTimeoutMs: 5_000,
    podName: hostname(),
    exit: true,
  });
});

test("the pod's name comes from POD_NAME, unless that is empty", () => {
  vi.stubEnv("POD_NAME", "orders-7d4b9-x2x8q");
  expect(resolveOptions({}).podName).toBe("orders-7d4b9-x2x8q");
  expect(resolveOptions({ podName: "other" }).podName).toBe("other");
  vi.stubEnv("POD_NAME", "");
  expect(resolveOptions({}).podName).toBe(hostname());
});

const times = [
  "maxConnectionAgeMs",
  "maxConnectionAgeGraceMs",
  "readinessDelayMs",
  "drainTimeoutMs",
  "goawayNoticeTimeoutMs",
  "goawayPingTimeoutMs",
] as const;

test.each(times)("%s refuses what is no time, naming itself and the range", (name) => {
  for (const value of [-1, Number.NaN, 2 ** 31, Number.NEGATIVE_INFINITY]) {
    expect(() => resolveOptions({ [name]: value })).toThrow(RangeError);
    expect(() => resolveOptions({ [name]: value })).toThrow(new RegExp(`^${name} must be .*2147483647.*: ${value}$`));
  }
  for (const value of ["5s", "5000", true, {}]) {
    expect(() => resolveOptions({ [name]: value })).toThrow(TypeError);
    expect(() => resolveOptions({ [name]: value })).toThrow(name);
  }
  expect(resolveOptions({ [name]: 2 ** 31 - 1 })).toMatchObject({ [name]: 2 ** 31 - 1 });
});

test("Infinity is for the ages and the drain only, 0 for all but the age", () => {
  const accepts = (value: number) =>
    times.filter((name) => {
      try {
        resolveOptions({ [name]: value });
        return true;
      } catch {
        return false;
      }
    });
  expect(accepts(Number.POSITIVE_INFINITY)).toEqual([
    "maxConnectionAgeMs",
    "maxConnectionAgeGraceMs",
    "drainTimeoutMs",
  ]);
  expect(accepts(0)).toEqual(times.filter((name) => name !== "maxConnectionAgeMs"));
});

test.each([
  ["podName", "", RangeError],
  ["podName", "two words", RangeError],
  ["podName", "a\r\nb: c", RangeError],
  ["podName", 7, TypeError],
  ["exit", "yes", TypeError],
  ["random", 0.5, TypeError],
  ["clock", {}, TypeError],
])("%s: %j throws and names the option", (name, value, type) => {
  expect(() => resolveOptions({ [name]: value })).toThrow(type);
  expect(() => resolveOptions({ [name]: value })).toThrow(name);
});
