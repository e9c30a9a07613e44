import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { defaultOptions } from "../options.ts";
import type { RunResult } from "../result.ts";
import { liveDisplay } from "./live.ts";
import { plainDisplay } from "./plain.ts";
import { summaryLines } from "./summary.ts";
import { verdictOf } from "./verdict.ts";
import type { RunView } from "./view.ts";

const result: RunResult = {
  scenario: "scale",
  client: "evenkeel",
  protocol: "connect",
  method: "charge",
  policy: "round-robin",
  resolver: "cluster",
  network: "loopback",
  rpcs: 6_000,
  ok: 6_000,
  failed: 0,
  errors: {},
  messages: [],
  inFlightAtLoss: 0,
  elapsedMs: 12_000,
  stallMs: 20,
  perPod: { "pod-1": 2_450, "pod-2": 2_550, "pod-3": 1_000 },
  latencyMs: { p50: 11, p99: 20, p999: 30, max: 120 },
  events: [
    { atMs: 2_000, kind: "ready", pod: "pod-3", rpcsBefore: 900 },
    { atMs: 9_000, kind: "exited", pod: "pod-3", rpcsBefore: 1_234_567 },
  ],
  newPods: { "pod-3": { readyAtMs: 2_000, firstRpcMs: 45.67, fairShareMs: 812 } },
  freeze: null,
  connections: { "pod-1": 1, "pod-2": 1 },
};

const view: RunView = {
  scenario: "scale",
  options: { ...defaultOptions, policy: "round-robin" },
  elapsedMs: 4_000,
  ok: 1_500,
  failed: 1,
  perSecond: 400,
  pods: [
    { name: "pod-1", phase: "ready", connection: "ready", perSecond: 300, share: 0.75, answered: 1_100 },
    { name: "pod-2", phase: "terminating", connection: undefined, perSecond: 100, share: 0.25, answered: 400 },
  ],
  events: result.events,
};

describe("verdictOf", () => {
  it("tells the spread, the new pods and the stall", () => {
    expect(verdictOf(result)).toBe(
      "none of 6 000 RPCs failed; the 2 pods that stayed are within ±2.0 % of their mean; every new pod had its first " +
        "RPC after 45.7 ms, its fair share after 0.8 s, at most; the longest stall was 20.0 ms",
    );
  });

  it("tells why RPCs failed", () => {
    expect(verdictOf({ ...result, failed: 3, inFlightAtLoss: 4 })).toContain(
      "3 of 6 000 RPCs failed: 4 were under way on lost connections, and must not be sent twice;",
    );
    expect(verdictOf({ ...result, failed: 3, client: "connect-node" })).toContain("3 of 6 000 RPCs failed; ");
  });

  it("tells who did nothing", () => {
    const newPods = { "pod-3": { readyAtMs: 2_000, firstRpcMs: null, fairShareMs: null } };
    const perPod = { "pod-1": 6_000, "pod-2": 0, "pod-3": 0 };
    const verdict = verdictOf({ ...result, perPod, newPods });
    expect(verdict).toContain("; pod-1 did everything, pod-2 and pod-3 got nothing; the longest stall");
  });

  it("tells which new pod did not get its share", () => {
    const newPods = { "pod-3": { readyAtMs: 2_000, firstRpcMs: 10, fairShareMs: null } };
    expect(verdictOf({ ...result, newPods })).toContain("; pod-3 never got a fair share;");
  });
});

describe("the verdict on a freeze", () => {
  const latency = { p50: 11, p99: 14, p999: 20, max: 30 };
  const freeze = {
    ...{ pod: "pod-2", atMs: 4_000, forMs: 4_000, earlyPicks: 9, waited: 5, latePicks: 0, othersP99Ratio: 1.5 },
    ...{ othersUndisturbedMs: latency, othersDuringMs: { ...latency, p99: 21 } },
  };

  it("tells what the others did meanwhile, and what was sent to the frozen pod", () => {
    expect(verdictOf({ ...result, freeze })).toContain(
      "; while pod-2 was frozen the others' p99 went from 14.0 ms to 21.0 ms (× 1.5), no RPC was sent to it after 2 s, " +
        "5 waited for it; the longest stall",
    );
    expect(verdictOf({ ...result, freeze: { ...freeze, latePicks: 7 } })).toContain("7 RPCs were sent to it after 2 s");
  });

  it("tells when there were no others", () => {
    const alone = { ...freeze, othersP99Ratio: null };
    expect(verdictOf({ ...result, freeze: alone })).toContain("while pod-2 was frozen no other pod answered,");
  });

  it("does not count the frozen pod among those that stayed", () => {
    const events = [{ atMs: 4_000, kind: "frozen", pod: "pod-2", rpcsBefore: 900 }] as const;
    const perPod = { "pod-1": 110, "pod-2": 10, "pod-3": 90 };
    expect(verdictOf({ ...result, perPod, newPods: {}, events })).toContain(
      "the 2 pods that stayed are within ±10.0 %",
    );
  });
});

describe("summaryLines", () => {
  it("has a line for each pod, and each message", () => {
    const failed = { ...result, failed: 2, ok: 5_998, errors: { Unavailable: 2 }, messages: ["pod-2 was lost"] };
    const lines = summaryLines(failed);
    expect(lines[0]).toBe("scale: 6 000 RPCs in 12.0 s, 5 998 ok, 2 failed (Unavailable: 2)");
    expect(lines.filter((line) => line.startsWith("  pod-"))).toHaveLength(3);
    expect(lines).toContain("  failed: pod-2 was lost");
    expect(lines.at(-1)).toBe(`  → ${verdictOf(failed)}`);
  });
});

describe("plainDisplay", () => {
  it("prints a line for the start, each event and each update", () => {
    const lines: string[] = [];
    const display = plainDisplay((line) => lines.push(line));
    display.started(view);
    for (const event of view.events) display.event(event);
    display.update(view);
    expect(lines).toEqual([
      "scale: evenkeel, connect, charge, round-robin, kubernetes resolver, 500 RPC/s offered",
      "  2.0 s  pod-3 ready, after 900 RPCs",
      "  9.0 s  pod-3 exited, after 1 234 567 RPCs",
      "  4.0 s  400 RPC/s, 1 500 ok, 1 failed | pod-1 75 % ready, pod-2 25 % -",
    ]);
  });
});

describe("liveDisplay", () => {
  const csi = "\u001b[";

  it("draws over what it has drawn", () => {
    const written: string[] = [];
    const display = liveDisplay({ write: (text) => written.push(text), columns: 120, rows: 40 });
    display.started(view);
    display.update(view);
    display.finished(result, view);
    display.started(view);
    const [first = "", second = "", , , nextRun = ""] = written;
    const lines = stripVTControlCharacters(first).trimEnd().split("\n");
    expect(lines).toHaveLength(7);
    expect(lines[3]).toMatch(/^pod-1 {2}ready {8}ready {13}█{18}·{6} {2}75 % {5}300 {5}1 100$/);
    expect(first).not.toContain(`${csi}7A`);
    expect(second.startsWith(`${csi}7A`)).toBe(true);
    expect(nextRun).not.toContain(`${csi}7A`);
  });

  it("stays within the terminal", () => {
    const written: string[] = [];
    liveDisplay({ write: (text) => written.push(text), columns: 30, rows: 5 }).started(view);
    const lines = stripVTControlCharacters(written.join("")).trim().split("\n");
    expect(lines).toHaveLength(4);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(30);
  });
});
