import { describe, expect, it } from "vitest";
import { ReceiveWindow, SendWindow } from "./flow-control.ts";

describe("SendWindow", () => {
  it("is taken and grown, also below 0", () => {
    const window = new SendWindow(100);
    window.take(100);
    expect(window.size).toBe(0);
    expect(window.grow(-50)).toBe(true);
    expect(window.size).toBe(-50);
    expect(window.grow(60)).toBe(true);
    expect(window.size).toBe(10);
  });

  it("goes up to 2^31 - 1", () => {
    const window = new SendWindow(65_535);
    expect(window.grow(2 ** 31 - 1 - 65_535)).toBe(true);
    expect(window.size).toBe(2 ** 31 - 1);
    expect(window.grow(1)).toBe(false);
  });
});

describe("ReceiveWindow", () => {
  it("gives nothing back while less than half of it was taken, then all of it at once", () => {
    const window = new ReceiveWindow(100);
    expect(window.giveBack()).toBe(0);
    expect(window.take(49)).toBe(true);
    expect(window.giveBack()).toBe(0);
    expect(window.take(1)).toBe(true);
    expect(window.giveBack()).toBe(50);
    expect(window.giveBack()).toBe(0);
    expect(window.take(100)).toBe(true);
    expect(window.giveBack()).toBe(100);
  });

  it("knows who takes more than was given", () => {
    const window = new ReceiveWindow(100);
    expect(window.take(100)).toBe(true);
    expect(window.take(1)).toBe(false);
  });
});
