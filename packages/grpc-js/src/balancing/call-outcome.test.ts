import { isFailure } from "@evenkeel/core";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type CallEnd, outcomeOf } from "./call-outcome.ts";

const end = (changes: Partial<CallEnd>): CallEnd => ({
  code: status.OK,
  details: "",
  durationMs: 12,
  isConnected: true,
  ...changes,
});

describe("the outcome of a call", () => {
  test("has the time of the answer as its latency", () => {
    expect(outcomeOf(end({}))).toEqual({ code: 0, fate: "answered", firstByteMs: 12, durationMs: 12 });
    expect(outcomeOf(end({ code: status.NOT_FOUND }))).toMatchObject({ code: 5, fate: "answered", firstByteMs: 12 });
  });

  test("of one that was refused as its connection ends says nothing against the endpoint", () => {
    const refused = end({ code: status.UNAVAILABLE, details: "Stream refused by server", isConnected: false });
    expect(outcomeOf(refused)).toMatchObject({ fate: "unprocessed", isRefused: false });
    expect(isFailure(outcomeOf(refused))).toBe(false);
  });

  test("of one that was refused on a connection that stays does", () => {
    const refused = end({ code: status.UNAVAILABLE, details: "Stream refused by server" });
    expect(outcomeOf(refused)).toEqual({
      ...{ code: 14, fate: "unprocessed", isRefused: true },
      ...{ firstByteMs: undefined, durationMs: 12 },
    });
    expect(isFailure(outcomeOf(refused))).toBe(true);
  });

  test.each([
    { code: status.UNAVAILABLE, details: "Stream closed" },
    { code: status.INTERNAL, details: "Stream refused by server" },
  ])("of $code: $details is not one of a stream that was refused", (changes) => {
    expect(outcomeOf(end(changes)).fate).not.toBe("unprocessed");
  });

  test.each([
    [status.UNAVAILABLE, "ambiguous", true],
    [status.INTERNAL, "answered", true],
    [status.DEADLINE_EXCEEDED, "ambiguous", true],
    [status.CANCELLED, "ambiguous", false],
    [status.INVALID_ARGUMENT, "answered", false],
  ])("of code %i is %s; a failure: %s", (code, fate, failed) => {
    const outcome = outcomeOf(end({ code }));
    expect(outcome).toMatchObject({ code, fate, durationMs: 12 });
    expect(isFailure(outcome)).toBe(failed);
  });

  test("of one that was given up took at least as long", () => {
    expect(outcomeOf(end({ code: status.CANCELLED }))).toMatchObject({ firstByteMs: undefined, durationMs: 12 });
  });

  test.each([status.OK, status.CANCELLED])("of a stream that ended with code %i has no latency", (code) => {
    const outcome = outcomeOf(end({ code, durationMs: 3_600_000 }));
    expect(outcome).toMatchObject({ firstByteMs: undefined, durationMs: 0 });
  });

  test("of one that took up to ten seconds is that of an answer", () => {
    const outcome = (durationMs: number) => outcomeOf(end({ durationMs }));
    expect(outcome(10_000)).toMatchObject({ firstByteMs: 10_000, durationMs: 10_000 });
    expect(outcome(10_001)).toMatchObject({ firstByteMs: undefined, durationMs: 0 });
  });

  test("of one that failed after long was slow", () => {
    const outcome = outcomeOf(end({ code: status.DEADLINE_EXCEEDED, durationMs: 60_000 }));
    expect(outcome).toMatchObject({ firstByteMs: undefined, durationMs: 60_000 });
  });
});
