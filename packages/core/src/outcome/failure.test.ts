import { describe, expect, test } from "vitest";
import { StatusCode } from "../errors.ts";
import { isFailure } from "./failure.ts";
import type { Outcome } from "./outcome.ts";

function outcome(code: StatusCode, init: Partial<Outcome> = {}): Outcome {
  return { code, fate: "answered", firstByteMs: 1, durationMs: 2, ...init };
}

describe("an outcome", () => {
  test.each(["unknown", "deadlineExceeded", "resourceExhausted", "internal", "unavailable", "dataLoss"] as const)(
    "with %s speaks against its endpoint",
    (name) => {
      expect(isFailure(outcome(StatusCode[name]))).toBe(true);
      expect(isFailure(outcome(StatusCode[name], { fate: "ambiguous" }))).toBe(true);
    },
  );

  test.each(["ok", "canceled", "invalidArgument", "notFound", "permissionDenied", "unimplemented"] as const)(
    "with %s does not",
    (name) => {
      expect(isFailure(outcome(StatusCode[name]))).toBe(false);
    },
  );

  test("of an attempt that never got to the server does not, unless the server refused it", () => {
    expect(isFailure(outcome(StatusCode.unavailable, { fate: "unsent" }))).toBe(false);
    expect(isFailure(outcome(StatusCode.unavailable, { fate: "unprocessed" }))).toBe(false);
    expect(isFailure(outcome(StatusCode.unavailable, { fate: "unprocessed", isRefused: true }))).toBe(true);
  });
});
