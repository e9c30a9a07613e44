import { expect, it } from "vitest";
import { connectTimeout, effectiveTimeout, grpcTimeout } from "./timeouts.ts";

it.each([
  [1, "1m"],
  [0.2, "1m"],
  [1_500.5, "1501m"],
  [99_999_999, "99999999m"],
  [100_000_000, "100000S"],
  [100_000_001, "100001S"],
  [100_000_000_000, "1666667M"],
  [1e13, "2777778H"],
  [1e300, "99999999H"],
])("grpc-timeout for %d ms has at most 8 digits", (ms, text) => {
  expect(grpcTimeout(ms)).toBe(text);
  expect(grpcTimeout(ms)).toMatch(/^\d{1,8}[HMSm]$/);
});

it("connect-timeout-ms has at most 10 digits", () => {
  expect([1, 0.2, 1e10].map(connectTimeout)).toEqual(["1", "1", "9999999999"]);
});

it("a timeout counts before the default, and one that is not above 0 is none", () => {
  expect(effectiveTimeout(undefined, undefined)).toBeUndefined();
  expect(effectiveTimeout(undefined, 5)).toBe(5);
  expect(effectiveTimeout(7, 5)).toBe(7);
  for (const none of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(effectiveTimeout(none, 5)).toBeUndefined();
});
