import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { failure, type LoadedCandidate, outcome, pick, policyContext, shares } from "../../test-helpers/candidates.ts";
import { keysOf, pod } from "../../test-helpers/endpoints.ts";
import { type Probe, probePolicy } from "../../test-helpers/probe-policy.ts";
import { slowStart } from "../load/slow-start.ts";
import type { OutlierDetectionOptions } from "../outlier/options.ts";
import { outlierDetection } from "../outlier/outlier-detection.ts";
import type { Picker } from "../picker/picker.ts";
import { locality } from "./locality.ts";
import type { Policy } from "./policy.ts";
import { roundRobin } from "./round-robin.ts";

const windowMs = 10_000;
const detection: OutlierDetectionOptions = { consecutiveFailures: { threshold: 1 }, maxEjectionPercent: 50 };

type Candidates = [LoadedCandidate, ...LoadedCandidate[]];

/** `pod-1`, `pod-2` and so on, in these zones. */
function zoned(letters: string): Candidates {
  return [...letters].map((zone, index) => ({ endpoint: pod(index + 1, { zone }), inFlight: 0 })) as Candidates;
}

function endpointsOf(candidates: readonly LoadedCandidate[]) {
  return candidates.map(({ endpoint }) => endpoint);
}

/** One RPC to each of these. */
function reportAll(picker: Picker<LoadedCandidate>, candidates: readonly LoadedCandidate[], failing: string): void {
  for (const each of candidates) picker.report?.(each, each.endpoint.key === failing ? failure : outcome());
}

/** A probe for either side: the first that is asked for a picker is the local one's. */
function sides(): { readonly policy: Policy; readonly local: Probe; readonly others: Probe } {
  const local = probePolicy();
  const others = probePolicy();
  const policy: Policy = (previous, candidates, context) =>
    (candidates[0].endpoint.zone === "a" ? local : others).policy(previous, candidates, context);
  return { policy, local, others };
}

describe("a policy inside locality", () => {
  test("is told the endpoints of its side, and all that are ready", () => {
    const { policy, local, others } = sides();
    const all = zoned("aaabbbc");
    const ready = all.filter((_, index) => index !== 0 && index !== 5) as Candidates;
    locality({ zone: "a" }, policy)(undefined, ready, policyContext({ endpoints: endpointsOf(all) }));
    expect([local.keys(), others.keys()]).toEqual([
      ["pod-2", "pod-3"],
      ["pod-4", "pod-5", "pod-7"],
    ]);
    expect(keysOf(local.context.endpoints)).toEqual(["pod-1", "pod-2", "pod-3"]);
    expect(keysOf(others.context.endpoints)).toEqual(["pod-4", "pod-5", "pod-6", "pod-7"]);
    expect([local.context.ready, others.context.ready]).toEqual([ready, ready]);
  });

  test("is told the endpoints of zones with room only, where the RPCs go there only", () => {
    const { policy, others } = sides();
    const all = zoned("abbbccccccc"); // zone b has less than a third
    const context = policyContext({ endpoints: endpointsOf(all) });
    locality({ zone: "a" }, policy)(undefined, all.slice(0, -1) as Candidates, context);
    expect(others.keys()).toEqual(["pod-5", "pod-6", "pod-7", "pod-8", "pod-9", "pod-10"]);
    expect(keysOf(others.context.endpoints)).toEqual([...others.keys(), "pod-11"]);
  });

  test("is told what a decorator outside says is ready", () => {
    const { policy, local } = sides();
    const all = zoned("aab");
    const context = policyContext({ endpoints: endpointsOf(all), ready: all });
    locality({ zone: "a" }, policy)(undefined, all.slice(1) as Candidates, context);
    expect(local.context.ready).toBe(all);
  });

  test("is told the same endpoints while they are the same, so that it need not look at them again", () => {
    const { policy, local, others } = sides();
    const all = zoned("aabb");
    const context = policyContext({ endpoints: endpointsOf(all) });
    const make = locality({ zone: "a" }, policy);
    const first = make(undefined, all, context);
    const before = [local.context.endpoints, others.context.endpoints];
    const second = make(first, all.slice(1) as Candidates, context);
    expect(local.context.endpoints).toBe(before[0]);
    expect(others.context.endpoints).toBe(before[1]);
    make(second, all, { ...context, endpoints: [...endpointsOf(all), pod(5, { zone: "a" })] });
    expect(keysOf(local.context.endpoints)).toEqual(["pod-1", "pod-2", "pod-5"]);
    expect(others.context.endpoints).toBe(before[1]);
  });
});

describe("outlier detection inside locality", () => {
  test("ejects on its own side, without a panic", () => {
    const all = zoned("aaabbbccc");
    const policy = locality({ zone: "a" }, outlierDetection(detection, roundRobin()));
    const picker = policy(undefined, all, policyContext({ endpoints: endpointsOf(all) }));
    reportAll(picker, all, "pod-1");
    const counts = shares(picker, 3_000);
    expect(counts.get("pod-1")).toBeUndefined();
    expect(counts.get("pod-2")).toBeGreaterThan(1_200);
    expect(counts.get("pod-4")).toBeGreaterThan(0);
  });

  test("says what is chosen from, on both sides", () => {
    const all = zoned("aaabbb");
    const policy = locality({ zone: "a" }, outlierDetection(detection, roundRobin()));
    const picker = policy(undefined, all, policyContext({ endpoints: endpointsOf(all) }));
    expect(picker.candidates).toEqual(all);
    reportAll(picker, all, "pod-1");
    reportAll(picker, all, "pod-6");
    expect(picker.candidates).toEqual(all.slice(1, 5));
    const plain = locality({ zone: "d" }, roundRobin())(undefined, all, policyContext());
    expect(plain.candidates).toEqual(all);
  });
});

test("outlier detection outside locality says what is chosen from inside", () => {
  const all = zoned("aaabbb");
  const inner = locality({ zone: "a" }, outlierDetection(detection, roundRobin()));
  const context = policyContext({ endpoints: endpointsOf(all) });
  const picker = outlierDetection({ maxEjectionPercent: 0 }, inner)(undefined, all, context);
  reportAll(picker, all, "pod-1");
  expect(picker.candidates).toEqual(all.slice(1));
});

describe("slow start inside locality", () => {
  /** Local by hints: the pods of an odd number; without hints the first three. */
  function hinted(hints: boolean): Candidates {
    return [1, 2, 3, 4, 5, 6].map((number) => ({
      endpoint: pod(number, {
        zone: number <= 3 ? "a" : "b",
        attributes: hints ? { forZones: [number % 2 === 1 ? "a" : "b"] } : {},
      }),
      inFlight: 0,
    })) as Candidates;
  }

  test("does not take for new what changed its side", () => {
    const clock = new FakeClock();
    const policy = locality({ zone: "a", remoteProbeFraction: 0 }, slowStart({ windowMs }, roundRobin()));
    const before = hinted(true);
    const first = policy(undefined, before, policyContext({ clock, endpoints: endpointsOf(before) }));
    pick(first);
    clock.tick(60 * windowMs);
    const after = hinted(false);
    const second = policy(first, after, policyContext({ clock, endpoints: endpointsOf(after) }));
    expect(shares(second, 300)).toEqual(new Map(["pod-1", "pod-2", "pod-3"].map((key) => [key, 100])));
  });

  test("knows how long others have been ready, of which none was picked", () => {
    const clock = new FakeClock();
    const all = zoned("aaabbb");
    const policy = locality(
      { zone: "a", maxLoadRatio: Number.POSITIVE_INFINITY },
      slowStart({ windowMs }, roundRobin()),
    );
    let picker: Picker<LoadedCandidate> | undefined;
    const update = (candidates: readonly LoadedCandidate[]) => {
      const context = policyContext({ clock, endpoints: endpointsOf(candidates) });
      picker = policy(picker, candidates as Candidates, context);
      pick(picker);
      return picker;
    };
    update(all.slice(3, 4));
    clock.tick(2 * windowMs);
    update(all);
    clock.tick(60 * windowMs);
    expect(shares(update(all.slice(3)), 300)).toEqual(new Map(["pod-4", "pod-5", "pod-6"].map((key) => [key, 100])));
  });
});
