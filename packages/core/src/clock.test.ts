import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";

describe("the system clock", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("calls back once, after the time and not in the call", () => {
    const callback = vi.fn();
    systemClock.setTimeout(callback, 50);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(49);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(callback).toHaveBeenCalledTimes(1);
  });

  test("does not call back after cancel, and takes a late or second cancel", () => {
    const callback = vi.fn();
    const timer = systemClock.setTimeout(callback, 50);
    timer.cancel();
    timer.cancel();
    vi.advanceTimersByTime(100);
    expect(callback).not.toHaveBeenCalled();
  });

  test("does not fire at once for delays that node cannot take", () => {
    const callback = vi.fn();
    const timer = systemClock.setTimeout(callback, Number.POSITIVE_INFINITY);
    vi.advanceTimersByTime(86_400_000);
    expect(callback).not.toHaveBeenCalled();
    timer.cancel();
  });

  test("keeps the process alive only for timers that say so", () => {
    const setTimeout = vi.spyOn(globalThis, "setTimeout");
    const timers = [
      systemClock.setTimeout(() => {}, 1),
      systemClock.setTimeout(() => {}, 1, {}),
      systemClock.setTimeout(() => {}, 1, { ref: true }),
    ];
    expect(setTimeout.mock.results.map(({ value }) => value.hasRef())).toEqual([false, false, true]);
    for (const timer of timers) timer.cancel();
    setTimeout.mockRestore();
  });

  test("does not go back", () => {
    const before = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  });
});
