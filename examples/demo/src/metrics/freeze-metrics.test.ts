import { describe, expect, it } from "vitest";
import { FreezeMetrics } from "./freeze-metrics.ts";

/** An RPC every 10 ms, due from `from` up to and without `to`. */
function rpcs(metrics: FreezeMetrics, pod: string, from: number, to: number, latencyMs: number): void {
  for (let dueAt = from; dueAt < to; dueAt += 10) metrics.completed(pod, latencyMs, dueAt + latencyMs);
}

describe("FreezeMetrics", () => {
  it("is nothing when no pod froze", () => {
    const metrics = new FreezeMetrics(0);
    rpcs(metrics, "a", 0, 100, 5);
    expect(metrics.measured([{ pod: "a", at: 5 }])).toBeNull();
  });

  it("compares what the other pods did in the freeze with what they did before and after, by when RPCs were due", () => {
    const metrics = new FreezeMetrics(1_000);
    rpcs(metrics, "a", 1_000, 2_000, 500); // warms up
    rpcs(metrics, "a", 2_000, 4_000, 10);
    rpcs(metrics, "b", 2_000, 4_000, 99);
    metrics.froze("b", 4_000);
    rpcs(metrics, "a", 4_000, 8_000, 15);
    metrics.thawed("b", 8_000);
    rpcs(metrics, "a", 8_000, 9_000, 77); // while the pod catches up
    rpcs(metrics, "a", 9_000, 11_000, 10);
    expect(metrics.measured([])).toMatchObject({
      pod: "b",
      atMs: 3_000,
      forMs: 4_000,
      othersUndisturbedMs: { p50: 10, p999: 10, max: 10 },
      othersDuringMs: { p50: 15, max: 15 },
      othersP99Ratio: 1.5,
    });
  });

  it("counts what the frozen pod was given, early and late, and what waited on it", () => {
    const metrics = new FreezeMetrics(0);
    metrics.froze("b", 4_000);
    metrics.thawed("b", 8_000);
    metrics.completed("b", 4_100, 8_010); // was under way when it froze
    metrics.completed("b", 10, 3_990);
    metrics.completed("b", 10, 8_100);
    metrics.completed("a", 5_000, 8_010);
    metrics.completed(undefined, 5_000, 8_010);
    const times = [3_999, 4_000, 5_999, 6_000, 7_999, 8_000];
    const attempts = times.flatMap((at) => ["a", "b"].map((pod) => ({ pod, at })));
    expect(metrics.measured(attempts)).toMatchObject({ earlyPicks: 2, latePicks: 2, waited: 1, othersP99Ratio: null });
  });

  it("goes on to the end when the pod is never thawed", () => {
    const metrics = new FreezeMetrics(0);
    metrics.froze("b", 4_000);
    metrics.froze("a", 5_000);
    metrics.thawed("a", 6_000);
    expect(metrics.measured([{ pod: "b", at: 60_000 }])).toMatchObject({ pod: "b", forMs: null, latePicks: 1 });
  });
});
