import { describe, expect, it } from "vitest";
import { Metrics } from "./metrics.ts";

/** Lets `pods` answer one RPC each, every `everyMs` from `from` up to and without `to`. */
function answers(metrics: Metrics, pods: readonly string[], from: number, to: number, everyMs = 10): void {
  for (let at = from; at < to; at += everyMs) for (const pod of pods) metrics.succeeded(pod, 5, at);
}

describe("Metrics", () => {
  it("is all zero before the first RPC", () => {
    expect(new Metrics(1_000, ["a"]).measured([])).toEqual({
      rpcs: 0,
      ok: 0,
      failed: 0,
      errors: {},
      messages: [],
      elapsedMs: 0,
      stallMs: 0,
      perPod: { a: 0 },
      latencyMs: { p50: 0, p99: 0, p999: 0, max: 0 },
      events: [],
      newPods: {},
      freeze: null,
    });
  });

  it("counts by pod and by code, and keeps a few different messages", () => {
    const metrics = new Metrics(0, ["a", "b"]);
    metrics.succeeded("a", 1, 1);
    metrics.succeeded("c", 1, 2);
    metrics.fail("Unavailable", "gone", 1, 3);
    metrics.fail("Unavailable", "gone", 1, 4);
    for (let number = 0; number < 20; number++) metrics.fail("Internal", `bug ${number}`, 1, 5);
    const measured = metrics.measured([]);
    expect(measured).toMatchObject({
      rpcs: 24,
      ok: 2,
      failed: 22,
      errors: { Unavailable: 2, Internal: 20 },
      perPod: { a: 1, b: 0, c: 1 },
    });
    expect(measured.messages.slice(0, 3)).toEqual(["gone", "bug 0", "bug 1"]);
    expect(measured.messages).toHaveLength(10);
  });

  it("takes percentiles by nearest rank, of failed RPCs too", () => {
    const metrics = new Metrics(0, []);
    for (let latency = 1_000; latency > 1; latency--) metrics.succeeded("a", latency, 0);
    metrics.fail("Unknown", "", 1, 0);
    expect(metrics.measured([]).latencyMs).toEqual({ p50: 500, p99: 990, p999: 999, max: 1_000 });
  });

  it("takes the longest gap between completions for the stall, not the time before the first", () => {
    const metrics = new Metrics(0, []);
    metrics.succeeded("a", 1, 500);
    metrics.succeeded("a", 1, 510);
    metrics.fail("Unavailable", "gone", 1, 700);
    metrics.succeeded("a", 1, 701);
    expect(metrics.measured([])).toMatchObject({ stallMs: 190, elapsedMs: 701 });
  });

  it("tells of each event how many RPCs had completed before", () => {
    const metrics = new Metrics(100, ["a"]);
    metrics.succeeded("a", 1, 110);
    metrics.fail("Unavailable", "gone", 1, 120);
    expect(metrics.happened("killed", "a", 130)).toEqual({ atMs: 30, kind: "killed", pod: "a", rpcsBefore: 2 });
    metrics.succeeded("a", 1, 140);
    metrics.happened("exited", "a", 150);
    expect(metrics.measured([]).events.map(({ rpcsBefore }) => rpcsBefore)).toEqual([2, 3]);
  });

  it("counts the last second of each pod", () => {
    const metrics = new Metrics(0, ["a", "b"]);
    answers(metrics, ["a"], 0, 3_000);
    answers(metrics, ["b"], 3_000, 3_100);
    expect(metrics.pods(3_100)).toEqual([
      { name: "a", answered: 300, lastSecond: 89 },
      { name: "b", answered: 10, lastSecond: 10 },
    ]);
    expect(metrics.pods(5_000).map(({ lastSecond }) => lastSecond)).toEqual([0, 0]);
  });
});

describe("Metrics of new pods", () => {
  it("finds the first RPC and the fair share, counted from being ready", () => {
    const metrics = new Metrics(1_000, ["a", "b"]);
    answers(metrics, ["a", "b"], 1_000, 3_000);
    metrics.happened("started", "c", 2_500);
    metrics.happened("ready", "c", 3_000);
    expect(metrics.sharesAreFair).toBe(false);
    answers(metrics, ["a", "b"], 3_000, 3_040);
    answers(metrics, ["c", "a", "b"], 3_040, 5_000);
    const { newPods } = metrics.measured([]);
    // 80 of 100 answers in a second: the 80th comes 790 ms after the first
    expect(newPods).toEqual({ c: { readyAtMs: 2_000, firstRpcMs: 40, fairShareMs: 830 } });
    expect(metrics.sharesAreFair).toBe(true);
  });

  it("finds none for a pod that gets nothing, or too little", () => {
    const metrics = new Metrics(0, ["a", "b"]);
    answers(metrics, ["a", "b"], 0, 1_000);
    for (const pod of ["c", "d"]) metrics.happened("ready", pod, 1_000);
    answers(metrics, ["a", "b"], 1_000, 3_000);
    for (let at = 3_000; at < 5_000; at += 40) {
      metrics.succeeded("c", 5, at);
      answers(metrics, ["a", "b"], at, at + 40);
    }
    expect(metrics.measured([]).newPods).toEqual({
      c: { readyAtMs: 1_000, firstRpcMs: 2_000, fairShareMs: null },
      d: { readyAtMs: 1_000, firstRpcMs: null, fairShareMs: null },
    });
    expect(metrics.sharesAreFair).toBe(false);
  });

  it("compares with the pods that were ready for the whole second, not with those that come or leave", () => {
    const metrics = new Metrics(0, ["a", "b"]);
    answers(metrics, ["a", "b"], 0, 2_000);
    metrics.happened("ready", "c", 2_000);
    metrics.happened("ready", "d", 2_000);
    metrics.happened("terminating", "b", 2_000);
    answers(metrics, ["a", "c"], 2_000, 4_000);
    expect(metrics.measured([]).newPods["c"]?.fairShareMs).toBe(790);
  });

  it("waits no longer for the share of a pod that left", () => {
    const metrics = new Metrics(0, ["a"]);
    answers(metrics, ["a"], 0, 1_000);
    metrics.happened("ready", "b", 1_000);
    metrics.happened("terminating", "b", 1_100);
    expect(metrics.sharesAreFair).toBe(true);
    answers(metrics, ["a", "b"], 1_100, 3_000);
    expect(metrics.measured([]).newPods["b"]).toEqual({ readyAtMs: 1_000, firstRpcMs: 100, fairShareMs: null });
  });
});
