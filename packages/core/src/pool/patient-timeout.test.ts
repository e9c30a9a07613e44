import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { LateClock } from "../../test-helpers/late-clock.ts";
import { setPatientTimeout } from "./patient-timeout.ts";

describe("setPatientTimeout", () => {
  test.each([1, 499, 500, 501, 5_000])("calls back once after %i ms", (ms) => {
    const clock = new FakeClock();
    const called: number[] = [];
    setPatientTimeout(clock, () => called.push(clock.now()), ms);
    clock.tick(60_000);
    expect(called).toEqual([ms]);
    expect(clock.pending).toBe(0);
  });

  test("does not count for how long our own event loop was blocked", () => {
    const clock = new LateClock();
    const called: number[] = [];
    setPatientTimeout(clock, () => called.push(clock.now()), 5_000);
    clock.block(20_000);
    for (let slice = 0; slice < 8; slice++) clock.block(500);
    expect(called).toEqual([]);
    clock.block(500);
    expect(called).toEqual([24_500]);
  });

  test.each([100, 700])("can be cancelled after %i ms", (ms) => {
    const clock = new FakeClock();
    let called = 0;
    const timer = setPatientTimeout(clock, () => called++, 5_000);
    clock.tick(ms);
    timer.cancel();
    expect(clock.pending).toBe(0);
    clock.tick(60_000);
    timer.cancel();
    expect(called).toBe(0);
  });
});
