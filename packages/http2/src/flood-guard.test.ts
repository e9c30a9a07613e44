import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { ErrorCode } from "./error-code.ts";
import { FloodGuard } from "./flood-guard.ts";
import { ProtocolError } from "./frames/protocol-error.ts";

describe("FloodGuard", () => {
  it("lets 10000 frames through at once, and no more", () => {
    const guard = new FloodGuard(new FakeClock());
    for (let count = 0; count < 10_000; count++) guard.spend(1, "PING");
    const error = new ProtocolError(ErrorCode.enhanceYourCalm, "a flood of PING");
    expect(() => guard.spend(1, "PING")).toThrow(error);
  });

  it("lets 10000 frames through every second, for any time", () => {
    const clock = new FakeClock();
    const guard = new FloodGuard(clock);
    for (let step = 0; step < 1_000; step++) {
      for (let count = 0; count < 100; count++) guard.spend(1, "PING");
      clock.tick(10);
    }
  });

  it("saves up for one second at most, beyond what it has", () => {
    const clock = new FakeClock();
    const guard = new FloodGuard(clock);
    clock.tick(3_600_000);
    guard.spend(10_000, "SETTINGS");
    // it looks at its clock only now: what is refilled is one second's, not an hour's
    guard.spend(10_000, "SETTINGS");
    expect(() => guard.spend(1, "SETTINGS")).toThrow("a flood of SETTINGS");
  });

  it("lets what we caused ourselves through", () => {
    const guard = new FloodGuard(new FakeClock());
    guard.spend(10_000, "HEADERS");
    for (let reset = 0; reset < 1_000; reset++) {
      guard.earn(3);
      guard.spend(3, "HEADERS");
    }
    expect(() => guard.spend(1, "HEADERS")).toThrow("a flood of HEADERS");
  });

  it("refills by time", () => {
    const clock = new FakeClock();
    const guard = new FloodGuard(clock);
    guard.spend(10_000, "SETTINGS");
    clock.tick(1);
    guard.spend(10, "SETTINGS");
    expect(() => guard.spend(1, "SETTINGS")).toThrow("a flood of SETTINGS");
  });
});
