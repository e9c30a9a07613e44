import { createEndpoint, leastRequest, type Picker } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  candidates,
  failure,
  type LoadedCandidate,
  outcome,
  pick,
  pickKeys,
  policyContext,
  shares,
} from "../../../core/test-helpers/candidates.ts";
import { policyTypes } from "./policy-types.ts";

/** The picker of each policy that takes a config without a header, for `pods`. */
function pickers(json: object, pods: readonly LoadedCandidate[], clock: FakeClock): Picker<LoadedCandidate>[] {
  const endpoints = pods.map(({ endpoint }) => endpoint);
  const [first, ...rest] = pods;
  if (first === undefined) throw new RangeError("there are no pods");
  return policyTypes.map((type) => {
    const isHash = type.names[0] === "ring_hash" || type.names[0] === "maglev";
    const config = isHash ? { requestHashHeader: "x-user-id", ...json } : json;
    return type.parse(config)(undefined, [first, ...rest], policyContext({ clock, endpoints }));
  });
}

describe("what stands around a policy", () => {
  test("is outlier detection, of each", () => {
    const clock = new FakeClock();
    const json = { outlierDetection: { consecutiveFailures: { threshold: 2 }, baseEjectionTime: "5s" } };
    for (const picker of pickers(json, candidates(4), clock)) {
      const outlier = pick(picker);
      picker.report?.(outlier, failure);
      picker.report?.(outlier, failure);
      expect(shares(picker, 400).get(outlier.endpoint.key)).toBeUndefined();
    }
  });

  test("is outlier detection with core's defaults where that is empty", () => {
    for (const picker of pickers({ outlierDetection: {} }, candidates(4), new FakeClock())) {
      const outlier = pick(picker);
      for (let rpc = 0; rpc < 5; rpc++) picker.report?.(outlier, failure);
      expect(pickKeys(picker, 200)).not.toContain(outlier.endpoint.key);
    }
  });

  test("is slow start", () => {
    const clock = new FakeClock();
    const [old, fresh] = candidates(2) as LoadedCandidate[] as [LoadedCandidate, LoadedCandidate];
    const policy = policyTypes
      .find(({ names }) => names.includes("random"))
      ?.parse({ slowStartConfig: { slowStartWindow: "20s", aggression: 1, minWeightPercent: 25 } });
    const context = policyContext({ clock });
    const first = policy?.(undefined, [old], context);
    clock.tick(20_000);
    const picker = policy?.(first, [old, fresh], context) as Picker<LoadedCandidate>;
    const shareOfFresh = () => (shares(picker, 10_000).get("pod-2") ?? 0) / 10_000;
    expect(shareOfFresh()).toBeCloseTo(0.25 / 1.25, 1);
    clock.tick(10_000);
    expect(shareOfFresh()).toBeCloseTo(0.5 / 1.5, 1);
    clock.tick(10_000);
    expect(shareOfFresh()).toBeCloseTo(0.5, 1);
  });

  test("is locality, of each", () => {
    const pods = ["a", "a", "b", "b"].map((zone, index) => ({
      endpoint: createEndpoint({ key: `${zone}-${index}`, host: `10.0.0.${index}`, port: 8080, zone }),
      inFlight: 0,
    }));
    const json = { locality: { zone: "b", maxLoadRatio: "Infinity", hints: "ignore" } };
    for (const picker of pickers(json, pods, new FakeClock())) {
      expect(new Set(pickKeys(picker, 100))).toEqual(new Set(["b-2", "b-3"]));
    }
  });

  test.each([
    [{ slowStartConfig: {} }, TypeError, "slowStartConfig.slowStartWindow: expected a duration, got none"],
    [
      { slowStartConfig: { slowStartWindow: null } },
      TypeError,
      "slowStartConfig.slowStartWindow: expected a duration, got",
    ],
    [
      { slowStartConfig: { slowStartWindow: "0s" } },
      RangeError,
      'slowStartConfig.slowStartWindow: expected a duration from "0.001s" to "2147483.647s", got "0s"',
    ],
    [
      { slowStartConfig: { slowStartWindow: "1s", aggression: 0 } },
      RangeError,
      "slowStartConfig.aggression: expected a number from 0.01 to 100, got 0",
    ],
    [
      { slowStartConfig: { slowStartWindow: "1s", aggression: { defaultValue: 1, runtimeKey: "a" } } },
      TypeError,
      "slowStartConfig.aggression: expected a number from 0.01 to 100, got {",
    ],
    [
      { slowStartConfig: { slowStartWindow: "1s", minWeightPercent: 0 } },
      RangeError,
      "slowStartConfig.minWeightPercent: expected an integer from 1 to 100, got 0",
    ],
    [
      { slowStartConfig: { window: "1s" } },
      TypeError,
      "slowStartConfig.window: no field of slowStartConfig, which has slowStartWindow, aggression, minWeightPercent",
    ],
    [{ slowStartConfig: "30s" }, TypeError, 'slowStartConfig: expected an object of fields, got "30s"'],
    [
      { slowStart: {} },
      TypeError,
      "slowStart: no field of this policy, which has choiceCount, outlierDetection, slowStart",
    ],
    [{ locality: { zone: "" } }, TypeError, 'locality.zone: expected the name of a zone, got ""'],
    [{ locality: { hints: "honor" } }, TypeError, 'locality.hints: expected "honour" or "ignore", got "honor"'],
    [{ locality: { overprovisioning: 0.9 } }, RangeError, "locality.overprovisioning: expected a number from 1 to 100"],
    [{ locality: { maxLoadRatio: 0.5 } }, RangeError, "locality.maxLoadRatio: expected a number from 1 to Infinity"],
    [
      { locality: { remoteProbeFraction: 0.6 } },
      RangeError,
      "locality.remoteProbeFraction: expected a number from 0 to",
    ],
    [
      { locality: { maxLoadRatio: "Infinity", remoteProbeFraction: 0.1 } },
      RangeError,
      "locality.remoteProbeFraction: there is nothing to compare where maxLoadRatio is Infinity",
    ],
    [
      { locality: { zones: [] } },
      TypeError,
      "locality.zones: no field of locality, which has zone, hints, overprovision",
    ],
    [{ locality: [] }, TypeError, "locality: expected an object of fields, got []"],
    [{ outlierDetection: true }, TypeError, "outlierDetection: expected an object of fields, got true"],
  ])("refuses %j", (json, type, message) => {
    const make = () => policyTypes[0]?.parse(json);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  test.each([
    { slowStartConfig: { slowStartWindow: "0.001s", aggression: 0.01, minWeightPercent: 1 } },
    { slowStartConfig: { slowStartWindow: "2147483.647s", aggression: "100", minWeightPercent: "100" } },
    { locality: { zone: "a", hints: "honour", overprovisioning: 1, maxLoadRatio: 1, remoteProbeFraction: 0 } },
    { locality: { overprovisioning: 100, maxLoadRatio: 1e9, remoteProbeFraction: 0.5 } },
  ])("has the ranges that core has: %j", (json) => {
    expect(policyTypes[0]?.parse(json)).toBeTypeOf("function");
  });

  test("serves as a policy without it does, while nothing happens", () => {
    const json = { outlierDetection: {}, slowStartConfig: { slowStartWindow: "30s" }, locality: { zone: "a" } };
    const [decorated] = pickers(json, candidates(3), new FakeClock());
    const plain = leastRequest()(undefined, candidates(3), policyContext());
    decorated?.report?.(pick(decorated), outcome());
    pick(plain);
    expect(pickKeys(decorated as Picker<LoadedCandidate>, 30).toSorted()).toEqual(pickKeys(plain, 30).toSorted());
  });
});
