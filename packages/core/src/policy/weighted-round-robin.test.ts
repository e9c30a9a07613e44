import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidatesOf } from "../../test-helpers/affinity.ts";
import { candidates, type LoadedCandidate, policyContext, shares } from "../../test-helpers/candidates.ts";
import { pod } from "../../test-helpers/endpoints.ts";
import { serverLoad } from "../../test-helpers/server-load.ts";
import { StatusCode } from "../errors.ts";
import type { ServerLoad } from "../load/server-load.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker } from "../picker/picker.ts";
import { type WeightedRoundRobinOptions, weightedRoundRobin } from "./weighted-round-robin.ts";

/** What became of an RPC whose response carried a report, or none. */
function reporting(load?: Partial<ServerLoad>): Outcome {
  const reported = load === undefined ? undefined : serverLoad(load);
  return { code: StatusCode.ok, fate: "answered", firstByteMs: 1, durationMs: 2, load: reported };
}

/** Reports for each candidate that it serves 100 RPCs per second, at this utilization; `undefined` reports nothing. */
function reportAll(
  picker: Picker<LoadedCandidate>,
  set: readonly LoadedCandidate[],
  utilizations: readonly (number | undefined)[],
): void {
  for (const [index, candidate] of set.entries()) {
    const utilization = utilizations[index];
    picker.report?.(
      candidate,
      reporting(utilization === undefined ? undefined : { rps: 100, cpuUtilization: utilization }),
    );
  }
}

/** The shares of 10^4 picks, in the order of the candidates, in percent. */
function percents(picker: Picker<LoadedCandidate>, set: readonly LoadedCandidate[]): number[] {
  const counts = shares(picker, 10_000);
  return set.map(({ endpoint }) => Math.round((counts.get(endpoint.key) ?? 0) / 100));
}

function setUp(count: number, options: WeightedRoundRobinOptions = {}) {
  const clock = new FakeClock(1_000_000);
  const set = candidates(count);
  const context = policyContext({ clock, random: seededRandom(5) });
  const policy = weightedRoundRobin(options);
  return { clock, set, context, policy, picker: policy(undefined, set, context) };
}

describe("weighted round robin by reports", () => {
  test("is round robin, by the weights of the endpoints, until two have reported one that counts", () => {
    const { clock, context, policy } = setUp(4);
    const set = candidatesOf([pod(1), pod(2, { weight: 3 }), pod(3), pod(4)]);
    const picker = policy(undefined, set, context);
    expect(percents(picker, set)).toEqual([17, 50, 17, 17]);
    reportAll(picker, set, [0.1]);
    clock.tick(20_000);
    reportAll(picker, set, [0.1]);
    expect(percents(picker, set)).toEqual([17, 50, 17, 17]);
    reportAll(picker, set, [0.1, 0.1]);
    clock.tick(10_000);
    reportAll(picker, set, [0.1, 0.1]);
    expect(percents(picker, set)).toEqual([25, 25, 25, 25]);
  });

  test("goes by the weights after the blackout, and at the end of the period", () => {
    const { clock, set, picker } = setUp(3);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    clock.tick(9_999);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    expect(percents(picker, set)).toEqual([33, 33, 33]);
    clock.tick(999);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    expect(percents(picker, set)).toEqual([33, 33, 33]);
    clock.tick(1);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    expect(percents(picker, set)).toEqual([50, 25, 25]);
  });

  test("gives who has no weight the mean of the others", () => {
    const { clock, set, picker } = setUp(3, { blackoutPeriodMs: 0 });
    clock.tick(1_000);
    reportAll(picker, set, [0.2, 0.6]);
    clock.tick(1_000);
    reportAll(picker, set, [0.2, 0.6]);
    expect(percents(picker, set)).toEqual([50, 17, 33]);
  });

  test("forgets weights that nobody reports any more, also when only others report", () => {
    const { clock, set, picker } = setUp(3, { blackoutPeriodMs: 0, weightExpirationPeriodMs: 5_000 });
    reportAll(picker, set, [0.1, 0.2, 0.4]);
    clock.tick(3_000);
    reportAll(picker, set, [0.1, 0.2]);
    expect(percents(picker, set)).toEqual([57, 29, 14]);
    clock.tick(2_000);
    reportAll(picker, set, [0.1, 0.2]);
    expect(percents(picker, set)).toEqual([44, 22, 33]);
    clock.tick(5_000);
    reportAll(picker, set, []); // RPCs end, but no report comes
    picker.report?.(set[0], reporting());
    expect(percents(picker, set)).toEqual([33, 33, 33]);
  });

  test("sends a pod that fails everything less than its share, however idle that leaves it", () => {
    const { clock, set, picker } = setUp(3, { blackoutPeriodMs: 0 });
    clock.tick(1_000);
    reportAll(picker, set, [0.5, 0.5]);
    picker.report?.(set[2]!, reporting({ rps: 100, eps: 100, cpuUtilization: 0.01 }));
    clock.tick(1_000);
    reportAll(picker, set, [0.5, 0.5]);
    expect(percents(picker, set)[2]).toBeLessThan(25);
  });

  test("lets no weight count for more than ten times the mean, or less than a hundredth", () => {
    const { clock, set, picker } = setUp(20, { blackoutPeriodMs: 0 });
    reportAll(picker, set, [1e-9, ...new Array<number>(18).fill(0.5), 1e9]);
    clock.tick(1_000);
    picker.report?.(set[0], reporting());
    const [most, , ...rest] = percents(picker, set);
    // the mean is about a twentieth of the highest: 10 for that, a hundredth for each of the others
    expect(most).toBeGreaterThan(97);
    expect(rest.at(-1)).toBeLessThan(2);
    expect(shares(picker, 100_000).size).toBe(20);
  });

  test("keeps the weights of those that stay when the set changes, and not of those that return", () => {
    const { clock, set, context, policy, picker } = setUp(3);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    clock.tick(11_000);
    reportAll(picker, set, [0.2, 0.4, 0.4]);
    const joined = { endpoint: pod(4), inFlight: 0 };
    const grown = policy(picker, [...set, joined], context);
    expect(percents(grown, [...set, joined])).toEqual([38, 19, 19, 25]);
    const [first, ...others] = [...set, joined];
    const shrunk = policy(grown, others as unknown as typeof set, context);
    const whole = policy(shrunk, [...others, first] as unknown as typeof set, context);
    expect(percents(whole, set)).toEqual([25, 25, 25]);
  });

  test("gives who warms up that part of its weight, and says it anew each period", () => {
    const { clock, set, policy } = setUp(3, { blackoutPeriodMs: 0 });
    let factor = 0.1;
    const weightOf = (each: { endpoint: { key: string; weight: number } }): number =>
      each.endpoint.weight * (each.endpoint.key === "pod-1" ? factor : 1);
    const heavy = candidatesOf([pod(1, { weight: 5 }), pod(2), pod(3)]);
    const picker = policy(undefined, heavy, policyContext({ clock, random: seededRandom(7), weightOf }));
    expect(percents(picker, set)).toEqual([20, 40, 40]);
    reportAll(picker, heavy, [0.1, 0.2, 0.2]);
    clock.tick(1_000);
    reportAll(picker, heavy, [0.1, 0.2, 0.2]);
    expect(percents(picker, set)).toEqual([9, 45, 45]);
    factor = 1;
    clock.tick(1_000);
    reportAll(picker, heavy, [0.1, 0.2, 0.2]);
    expect(percents(picker, set)).toEqual([50, 25, 25]);
  });

  test("takes no notice of reports that make no sense, so that none is picked for ever", () => {
    for (const rps of [Number.MIN_VALUE, Number.MAX_VALUE, Number.NaN]) {
      const { clock, set, picker } = setUp(3, { blackoutPeriodMs: 0 });
      for (const candidate of set) picker.report?.(candidate, reporting({ rps, applicationUtilization: 1 }));
      clock.tick(1_000);
      picker.report?.(set[0], reporting());
      expect(percents(picker, set)).toEqual([33, 33, 33]);
    }
  });

  test("refuses a weight of an endpoint that is none, with its name", () => {
    for (const weight of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      const set = candidatesOf([pod(1), { ...pod(2), weight }, pod(3)]);
      const make = () => weightedRoundRobin()(undefined, set, policyContext());
      expect(make).toThrow(RangeError);
      expect(make).toThrow(`weight of pod-2: expected a finite number above 0, got ${weight}`);
    }
  });

  test("takes reports of candidates that are not in the set", () => {
    const { picker } = setUp(2);
    expect(() => reportAll(picker, [{ endpoint: pod(9), inFlight: 0 }], [0.5])).not.toThrow();
  });

  test("respects weights in 10^6 picks to a thousandth", () => {
    const { clock, set, picker } = setUp(10, { blackoutPeriodMs: 0 });
    const utilizations = set.map((_, index) => 1 / (index + 1));
    reportAll(picker, set, utilizations);
    clock.tick(1_000);
    reportAll(picker, set, utilizations);
    const counts = shares(picker, 1_000_000);
    for (const [index, { endpoint }] of set.entries()) {
      const expected = (1_000_000 * (index + 1)) / 55;
      expect(Math.abs((counts.get(endpoint.key) ?? 0) - expected)).toBeLessThan(0.001 * expected + 2);
    }
  });
});

describe("weighted round robin by endpoints", () => {
  test("goes by their weights, whatever is reported", () => {
    const set = candidatesOf([pod(1, { weight: 3 }), pod(2), pod(3)]);
    const clock = new FakeClock();
    const picker = weightedRoundRobin({ weights: "endpoint" })(undefined, set, policyContext({ clock }));
    reportAll(picker, set, [0.9, 0.1, 0.1]);
    clock.tick(20_000);
    reportAll(picker, set, [0.9, 0.1, 0.1]);
    expect(percents(picker, set)).toEqual([60, 20, 20]);
  });
});

test.each([
  [null, TypeError, "weightedRoundRobin: expected an object of options"],
  [[], TypeError, "weightedRoundRobin: expected an object of options"],
  [{ blackoutPeriodMs: null }, TypeError, "blackoutPeriodMs: expected a number"],
  [{ weight: "endpoint" }, TypeError, "weight: no option of weightedRoundRobin"],
  [{ weights: "orca" }, TypeError, 'weights: expected "reported" or "endpoint", got orca'],
  [{ blackoutPeriodMs: -1 }, RangeError, "blackoutPeriodMs: expected a number from 0 to"],
  [{ blackoutPeriodMs: "10s" }, TypeError, "blackoutPeriodMs: expected a number"],
  [{ weightExpirationPeriodMs: 0 }, RangeError, "weightExpirationPeriodMs: expected a number from 1 to"],
  [{ weightUpdatePeriodMs: 99 }, RangeError, "weightUpdatePeriodMs: expected a number from 100 to"],
  [{ errorUtilizationPenalty: -0.1 }, RangeError, "errorUtilizationPenalty: expected a number from 0 to"],
  [{ weights: "endpoint", blackoutPeriodMs: 5 }, TypeError, 'blackoutPeriodMs: only for weights: "reported"'],
])("weighted round robin refuses %j", (options, type, message) => {
  const refused = () => weightedRoundRobin(options as WeightedRoundRobinOptions);
  expect(refused).toThrow(type);
  expect(refused).toThrow(message);
});
