import { describe, expect, test } from "vitest";
import { durationOption } from "./options.ts";

describe("durationOption", () => {
  test.each([1, 0.5, Number.POSITIVE_INFINITY])("takes %d", (value) => {
    expect(durationOption("timeoutMs", value)).toBe(value);
  });

  test.each([0, -1, Number.NEGATIVE_INFINITY])("refuses %d with a RangeError that names the option", (value) => {
    expect(() => durationOption("timeoutMs", value)).toThrow(RangeError);
    expect(() => durationOption("timeoutMs", value)).toThrow(
      `timeoutMs: expected more than 0 milliseconds, got ${value}`,
    );
  });

  test.each([Number.NaN, "5", null, undefined, 5n])("refuses %s with a TypeError that names the option", (value) => {
    expect(() => durationOption("timeoutMs", value as number)).toThrow(TypeError);
    expect(() => durationOption("timeoutMs", value as number)).toThrow("timeoutMs: expected a number of milliseconds");
  });
});
