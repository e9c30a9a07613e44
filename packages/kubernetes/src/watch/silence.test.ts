import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test, vi } from "vitest";
import { LateClock } from "../../../core/test-helpers/late-clock.ts";
import { Silence } from "./silence.ts";

describe("silence", () => {
  test("is noticed once, when nothing was heard for the limit and a second look", () => {
    const clock = new FakeClock();
    const onSilence = vi.fn();
    new Silence(clock).limit(1_000, onSilence);
    clock.tick(1_000);
    expect(onSilence).not.toHaveBeenCalled();
    clock.tick(10);
    expect(onSilence).toHaveBeenCalledTimes(1);
    clock.tick(100_000);
    expect(onSilence).toHaveBeenCalledTimes(1);
    expect(clock.pending).toBe(0);
  });

  test("begins anew with whatever is heard", () => {
    const clock = new FakeClock();
    const onSilence = vi.fn();
    const silence = new Silence(clock);
    silence.limit(1_000, onSilence);
    for (let round = 0; round < 10; round++) {
      clock.tick(900);
      silence.heard();
    }
    expect(silence.heardAt).toBe(9_000);
    clock.tick(1_009);
    expect(onSilence).not.toHaveBeenCalled();
    clock.tick(1);
    expect(onSilence).toHaveBeenCalledTimes(1);
  });

  test("sets no timer for what is heard", () => {
    const clock = new FakeClock();
    const setTimeout = vi.spyOn(clock, "setTimeout");
    const silence = new Silence(clock);
    silence.limit(1_000, () => {});
    for (let round = 0; round < 1_000; round++) silence.heard();
    expect(setTimeout).toHaveBeenCalledTimes(1);
    silence.end();
  });

  test("has one limit: the last one, counted from when it was set", () => {
    const clock = new FakeClock();
    const first = vi.fn();
    const second = vi.fn();
    const silence = new Silence(clock);
    silence.limit(1_000, first);
    clock.tick(1_005); // between the first look and the second
    silence.limit(2_000, second);
    expect(silence.heardAt).toBe(1_005);
    clock.tick(2_009);
    expect(second).not.toHaveBeenCalled();
    clock.tick(1);
    expect(second).toHaveBeenCalledTimes(1);
    expect(first).not.toHaveBeenCalled();
  });

  test("is none while our own event loop was blocked: what arrived meanwhile is heard before the second look", () => {
    const clock = new LateClock();
    const onSilence = vi.fn();
    const silence = new Silence(clock);
    silence.limit(1_000, onSilence);
    clock.block(60_000);
    expect(onSilence).not.toHaveBeenCalled();
    silence.heard(); // read after the timers
    clock.block(999);
    expect(onSilence).not.toHaveBeenCalled();
    clock.block(1);
    clock.block(10);
    expect(onSilence).toHaveBeenCalledTimes(1);
  });

  test("is not noticed after the end", () => {
    for (const waitedMs of [0, 1_005]) {
      const clock = new FakeClock();
      const onSilence = vi.fn();
      const silence = new Silence(clock);
      silence.limit(1_000, onSilence);
      clock.tick(waitedMs);
      silence.end();
      expect(clock.pending).toBe(0);
      clock.tick(10_000);
      expect(onSilence).not.toHaveBeenCalled();
    }
  });
});
