import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { PingPolicy } from "./ping-policy.ts";

/** As many bytes as the answer to a PING has. */
const ackBytes = 17;

function start(minPingIntervalMs: number): {
  /** @param responseBytes written since the PING before, beside the answer to that */
  ping: (afterMs: number, responseBytes?: number) => boolean;
  policy: PingPolicy;
} {
  const clock = new FakeClock();
  const policy = new PingPolicy({ minPingIntervalMs, clock });
  let bytesWritten = 100 - ackBytes;
  return {
    ping(afterMs, responseBytes = 0) {
      clock.tick(afterMs);
      bytesWritten += ackBytes + responseBytes;
      return policy.onPing(bytesWritten);
    },
    policy,
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
  const seen = Array.from({ length: 60 }, (_, index) => ping(1, index % 3 === 0 ? 10 : 0));
  expect(seen).not.toContain(true);
  expect([ping(1, 10), ping(1), ping(1), ping(1)]).toEqual([false, false, false, true]);
});

test("an interval of 0 allows all", () => {
  const { ping } = start(0);
  expect(Array.from({ length: 100 }, () => ping(0))).not.toContain(true);
});

test("answers that are written late are no responses, nor are those to SETTINGS", () => {
  const { policy } = start(1_000);
  expect([100, 100, 100].map((bytes) => policy.onPing(bytes))).toEqual([false, false, false]);
  policy.onSettings();
  expect(policy.onPing(100 + 3 * ackBytes + 9)).toBe(true);
});

test("where nothing is counted all are allowed", () => {
  const { policy } = start(1_000);
  expect(Array.from({ length: 10 }, () => policy.onPing(undefined))).not.toContain(true);
});
