import { hostname } from "node:os";
import { afterEach, expect, test, vi } from "vitest";
import { changeLimits, resolveOptions } from "./options.ts";

afterEach(() => vi.unstubAllEnvs());

test("defaults", () => {
  vi.stubEnv("POD_NAME", undefined);
  expect(resolveOptions({})).toMatchObject({
    maxConnectionAgeMs: Number.POSITIVE_INFINITY,
    maxConnectionAgeGraceMs: Number.POSITIVE_INFINITY,
    maxConnectionIdleMs: Number.POSITIVE_INFINITY,
    keepaliveTimeMs: 7_200_000,
    keepaliveTimeoutMs: 20_000,
    minPingIntervalMs: 0,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    maxConnections: Number.POSITIVE_INFINITY,
    maxRequestsPerConnection: Number.POSITIVE_INFINITY,
    maxStreamAgeMs: Number.POSITIVE_INFINITY,
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
  "maxConnectionIdleMs",
  "keepaliveTimeMs",
  "keepaliveTimeoutMs",
  "minPingIntervalMs",
  "maxStreamAgeMs",
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

test("which times may be Infinity or 0", () => {
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
    "maxConnectionIdleMs",
    "keepaliveTimeMs",
    "maxStreamAgeMs",
    "drainTimeoutMs",
  ]);
  const aboveZero = ["maxConnectionAgeMs", "maxConnectionIdleMs", "keepaliveTimeMs", "maxStreamAgeMs"];
  expect(accepts(0)).toEqual(times.filter((name) => !aboveZero.includes(name)));
});

test.each(["maxConcurrentStreams", "maxConnections", "maxRequestsPerConnection"])("%s is a count", (name) => {
  for (const value of [1, 2 ** 32 - 1, Number.POSITIVE_INFINITY]) {
    expect(resolveOptions({ [name]: value })).toMatchObject({ [name]: value });
  }
  for (const value of [0, -1, 1.5, 2 ** 32, Number.NaN]) {
    expect(() => resolveOptions({ [name]: value })).toThrow(RangeError);
    expect(() => resolveOptions({ [name]: value })).toThrow(
      `${name} must be an integer from 1 to 4294967295, or Infinity: ${value}`,
    );
  }
  expect(() => resolveOptions({ [name]: "1" })).toThrow(TypeError);
});

test("an unknown option is refused, with the names of those that exist", () => {
  expect(() => resolveOptions({ maxConnectionAge: 1 } as object)).toThrow(TypeError);
  expect(() => resolveOptions({ maxConnectionAge: 1 } as object)).toThrow(
    /^there is no option maxConnectionAge: known are maxConnectionAgeMs, .*, random$/,
  );
});

test("limits change one by one, and the others may not", () => {
  const settings = resolveOptions({ maxConnectionAgeMs: 1_000, drainTimeoutMs: 7 });
  const changed = changeLimits(settings, { maxConnectionAgeMs: 2_000, maxConnections: undefined } as object);
  expect(changed).toMatchObject({ maxConnectionAgeMs: 2_000, drainTimeoutMs: 7 });
  expect(changed).not.toHaveProperty("podName");
  expect(() => changeLimits(settings, { drainTimeoutMs: -1 })).toThrow("drainTimeoutMs");
  expect(() => changeLimits(settings, { podName: "other" } as object)).toThrow(
    "podName cannot change: give it to createLifecycle()",
  );
  expect(() => changeLimits(settings, { maxAge: 1 } as object)).toThrow("there is no option maxAge");
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

test("null is a mistake, not a default", () => {
  expect(() => resolveOptions({ drainTimeoutMs: null } as object)).toThrow("drainTimeoutMs must be");
  expect(() => resolveOptions({ podName: null } as object)).toThrow("podName must be a string");
  expect(() => changeLimits(resolveOptions({}), { maxConnections: null } as object)).toThrow(TypeError);
  for (const options of [null, 7, "fast"]) {
    expect(() => resolveOptions(options as never)).toThrow("the options must be an object");
    expect(() => changeLimits(resolveOptions({}), options as never)).toThrow("the options must be an object");
  }
});
