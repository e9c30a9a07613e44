import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { PingPolicy } from "./ping-policy.ts";

function start(minPingIntervalMs: number): { ping: (afterMs: number, responses?: string) => boolean } {
  const clock = new FakeClock();
  const policy = new PingPolicy({ minPingIntervalMs, clock });
  return {
    ping(afterMs, responses = "") {
      clock.tick(afterMs);
      return policy.onPing(responses);
    },
  };
}

test("the third PING that comes too soon is one too many", () => {
  const { ping } = start(1_000);
  expect([ping(0), ping(999), ping(999), ping(999)]).toEqual([false, false, false, true]);
});

test("PINGs at the interval are fine for ever, and do not make up for strikes", () => {
  const { ping } = start(1_000);
  expect(Array.from({ length: 50 }, () => ping(1_000))).not.toContain(true);
  expect([ping(10), ping(1_000), ping(10), ping(1_000), ping(10)]).toEqual([false, false, false, false, true]);
});

test("a response in between wipes the strikes out", () => {
  const { ping } = start(1_000);
  const seen = Array.from({ length: 60 }, (_, index) => ping(1, `${Math.floor(index / 3)}`));
  expect(seen).not.toContain(true);
  expect([ping(1, "x"), ping(1, "x"), ping(1, "x"), ping(1, "x")]).toEqual([false, false, false, true]);
});

test("an interval of 0 allows all", () => {
  const { ping } = start(0);
  expect(Array.from({ length: 100 }, () => ping(0))).not.toContain(true);
});
