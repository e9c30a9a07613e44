import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, type LoadedCandidate, pick, policyContext } from "../../test-helpers/candidates.ts";
import { keysOf, pods } from "../../test-helpers/endpoints.ts";
import { failure, type Probe, probePolicy, success } from "../../test-helpers/probe-policy.ts";
import { StatusCode } from "../errors.ts";
import { slowStart } from "../load/slow-start.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker } from "../picker/picker.ts";
import type { Policy } from "../policy/policy.ts";
import { roundRobin } from "../policy/round-robin.ts";
import type { EjectionChange, OutlierDetectionOptions } from "./options.ts";
import { outlierDetection } from "./outlier-detection.ts";

interface Setup {
  readonly clock: FakeClock;
  readonly probe: Probe;
  readonly changes: EjectionChange[];
  /** Numbers of the pods that the child was given. */
  given(): number[];
  /** Changes the set; only `ready`, by default all, have a connection. */
  update(numbers: readonly number[], ready?: readonly number[]): void;
  report(number: number, outcome: Outcome, times?: number): void;
  pick(times?: number): void;
  /** A success on each of these pods. */
  succeed(numbers: readonly number[], times?: number): void;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function setup(
  options: OutlierDetectionOptions,
  count: number,
  wrap: (child: Policy) => Policy = (child) => child,
): Setup {
  const clock = new FakeClock();
  const probe = probePolicy();
  const changes: EjectionChange[] = [];
  const policy = outlierDetection({ onEjection: (change) => changes.push(change), ...options }, wrap(probe.policy));
  const all = candidates(40);
  let picker: Picker<LoadedCandidate> | undefined;
  const one = (number: number): LoadedCandidate => all[number - 1] as LoadedCandidate;
  const it: Setup = {
    clock,
    probe,
    changes,
    given: () => probe.keys().map((key) => Number(key.slice("pod-".length))),
    update(numbers, ready = numbers) {
      const [first, ...rest] = ready.map(one);
      if (first === undefined) throw new RangeError("a policy gets at least one candidate");
      const endpoints = numbers.map((number) => one(number).endpoint);
      picker = policy(picker, [first, ...rest], policyContext({ clock, endpoints }));
    },
    report(number, outcome, times = 1) {
      for (let time = 0; time < times; time++) picker?.report?.(one(number), outcome);
    },
    pick(times = 1) {
      for (let time = 0; time < times; time++) pick(picker as Picker<LoadedCandidate>);
    },
    succeed(numbers, times = 1) {
      for (const number of numbers) it.report(number, success, times);
    },
  };
  it.update(range(count));
  return it;
}

const consecutive: OutlierDetectionOptions = { consecutiveFailures: {}, returnWindowMs: 0 };

describe("consecutive failures", () => {
  test("eject at the fifth, at once", () => {
    const { given, report, changes } = setup(consecutive, 3);
    report(2, failure, 4);
    expect(given()).toEqual([1, 2, 3]);
    report(2, failure);
    expect(given()).toEqual([1, 3]);
    expect(changes).toEqual([{ kind: "ejected", endpoint: pods(2)[1], reason: "consecutiveFailures", forMs: 30_000 }]);
  });

  test("begin anew with a success", () => {
    const { given, report } = setup(consecutive, 3);
    report(2, failure, 4);
    report(2, success);
    report(2, failure, 4);
    expect(given()).toEqual([1, 2, 3]);
  });

  test("are not interrupted by what says nothing of the endpoint", () => {
    const { given, report } = setup(consecutive, 3);
    const unsent: Outcome = { code: StatusCode.unavailable, fate: "unsent", firstByteMs: undefined, durationMs: 1 };
    const canceled: Outcome = { ...unsent, code: StatusCode.canceled, fate: "ambiguous" };
    for (let time = 0; time < 5; time++) {
      report(2, unsent);
      report(2, canceled);
      expect(given()).toEqual([1, 2, 3]);
      report(2, failure);
    }
    expect(given()).toEqual([1, 3]);
  });

  test("are interrupted by an error of the caller, and by a stream that its caller gave up after it had begun", () => {
    for (const interruption of [
      { ...success, code: StatusCode.invalidArgument },
      { ...success, code: StatusCode.canceled, fate: "ambiguous" },
    ] as const) {
      const { given, report } = setup(consecutive, 3);
      report(2, failure, 4);
      report(2, interruption);
      report(2, failure, 4);
      expect(given()).toEqual([1, 2, 3]);
    }
  });

  test("begin anew when the endpoint returns", () => {
    const { clock, given, report, succeed } = setup(consecutive, 3);
    report(2, failure, 9);
    clock.tick(40_000);
    succeed([1]);
    expect(given()).toEqual([1, 2, 3]);
    report(2, failure, 4);
    expect(given()).toEqual([1, 2, 3]);
    report(2, failure);
    expect(given()).toEqual([1, 3]);
  });

  test("eject only the share that is enforced", () => {
    let ejected = 0;
    const { clock, given, report } = setup(
      { ...consecutive, baseEjectionTimeMs: 1, consecutiveFailures: { threshold: 2, enforcementPercentage: 30 } },
      3,
    );
    for (let time = 0; time < 1_000; time++) {
      report(2, failure, 2);
      if (!given().includes(2)) ejected++;
      clock.tick(10_000);
      report(1, success);
    }
    expect(ejected).toBeGreaterThan(30);
    expect(ejected).toBeLessThan(500); // 1 000 if the percentage had no meaning
  });

  test("that are not enforced have to come once more", () => {
    const draws = [0.9, 0.2];
    const probe = probePolicy();
    const policy = outlierDetection({ consecutiveFailures: { enforcementPercentage: 50 } }, probe.policy);
    const all = candidates(3);
    const picker = policy(undefined, all, policyContext({ random: () => draws.shift() ?? 1 }));
    for (let time = 0; time < 9; time++) picker.report?.(all[0], failure);
    expect(probe.keys()).toHaveLength(3);
    picker.report?.(all[0], failure);
    expect(probe.keys()).toEqual(["pod-2", "pod-3"]);
  });
});

describe("an interval", () => {
  const options: OutlierDetectionOptions = { failurePercentageEjection: {}, returnWindowMs: 0 };

  test("ejects by failure percentage at its end", () => {
    const { clock, given, report, succeed, changes } = setup(options, 5);
    report(3, failure, 45);
    report(3, success, 5);
    clock.tick(9_999);
    succeed([1]);
    expect(given()).toHaveLength(5);
    clock.tick(1);
    succeed([1]);
    expect(given()).toEqual([1, 2, 4, 5]);
    expect(changes).toMatchObject([{ kind: "ejected", reason: "failurePercentageEjection" }]);
  });

  test("ejects by success rate at its end", () => {
    const { clock, given, report, succeed, changes } = setup({ successRateEjection: {}, returnWindowMs: 0 }, 6);
    succeed([1, 2, 4, 5, 6], 100);
    report(3, failure, 20);
    report(3, success, 80);
    clock.tick(10_000);
    succeed([1]);
    expect(given()).toEqual([1, 2, 4, 5, 6]);
    expect(changes).toMatchObject([{ kind: "ejected", reason: "successRateEjection" }]);
  });

  test("counts each outcome once, and forgets it at its end", () => {
    const { clock, given, report, succeed } = setup(options, 5);
    for (let interval = 0; interval < 5; interval++) {
      report(3, failure, 49); // one less than are enough
      clock.tick(10_000);
      succeed([1]);
    }
    expect(given()).toHaveLength(5);
    report(3, failure, 50);
    clock.tick(10_000);
    succeed([1]);
    expect(given()).toEqual([1, 2, 4, 5]);
  });

  test("counts an outcome that comes after its end for the next", () => {
    const { clock, given, report, succeed } = setup(options, 5);
    report(3, failure, 49);
    clock.tick(10_000);
    report(3, failure);
    clock.tick(10_000);
    succeed([1]);
    expect(given()).toHaveLength(5);
  });

  test("judges none that left before its end", () => {
    const { clock, given, report, succeed, update, changes } = setup(options, 6);
    report(3, failure, 50);
    update([1, 2, 4, 5, 6]);
    clock.tick(10_000);
    succeed([1]);
    update(range(6));
    expect(given()).toEqual(range(6));
    expect(changes).toEqual([]);
  });

  test("judges none by those that are ejected", () => {
    const { clock, given, report, succeed } = setup({ successRateEjection: {}, maxEjectionPercent: 50 }, 6);
    succeed(range(5), 100);
    report(6, failure, 100);
    clock.tick(10_000);
    succeed([1, 2, 3, 4], 100);
    report(5, failure, 30);
    report(5, success, 70);
    report(6, failure, 100); // sent before
    expect(given()).toEqual(range(5));
    clock.tick(10_000);
    succeed([1]);
    expect(given()).toEqual(range(4));
  });

  test("ejects the worst where not all may be", () => {
    const { clock, given, report, succeed } = setup(options, 10);
    report(2, failure, 90);
    report(2, success, 10);
    report(7, failure, 100);
    clock.tick(10_000);
    succeed([1]);
    expect(given()).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10]);
  });
});

describe("an ejection", () => {
  test("ends with the first interval after its time", () => {
    const { clock, given, report, succeed, changes } = setup(consecutive, 3);
    clock.tick(1_000);
    report(2, failure, 5);
    clock.tick(30_000); // at 31 s; the intervals end at 30 s and 40 s
    succeed([1]);
    expect(given()).toEqual([1, 3]);
    clock.tick(8_999);
    succeed([1]);
    expect(given()).toEqual([1, 3]);
    clock.tick(1);
    succeed([1]);
    expect(given()).toEqual([1, 2, 3]);
    expect(changes.at(-1)).toEqual({ kind: "returned", endpoint: pods(2)[1] });
    expect(changes).toHaveLength(2);
  });

  test("lasts longer each time, up to the maximum, and less again after intervals without", () => {
    const { clock, report, succeed, changes, given } = setup({ ...consecutive, maxEjectionTimeMs: 80_000 }, 3);
    const ejectAndReturn = (): void => {
      report(2, failure, 5);
      while (!given().includes(2)) {
        clock.tick(10_000);
        succeed([1]);
      }
    };
    for (let time = 0; time < 5; time++) ejectAndReturn();
    clock.tick(20_000); // two intervals without
    succeed([1]);
    ejectAndReturn();
    clock.tick(1_000_000);
    succeed([1]);
    ejectAndReturn();
    const times = changes.flatMap((change) => (change.kind === "ejected" ? change.forMs : []));
    expect(times).toEqual([30_000, 60_000, 80_000, 80_000, 80_000, 60_000, 30_000]);
  });

  test("counts for the next as if each interval of a silence had been looked at", () => {
    for (const stepMs of [10_000, 80_000, 240_000]) {
      const { clock, report, succeed, changes } = setup({ ...consecutive, baseEjectionTimeMs: 20_000 }, 3);
      const wait = (): void => {
        for (let at = 0; at < 240_000; at += stepMs) {
          clock.tick(stepMs);
          succeed([1]);
        }
      };
      for (let time = 0; time < 6; time++) {
        report(2, failure, 5);
        clock.tick(20_000 * (time + 1));
        succeed([1]);
      }
      report(2, failure, 5); // it counts for 7 of them, so 140 s, and then for 10 less
      wait();
      report(2, failure, 5);
      wait();
      report(2, failure, 5);
      const times = changes.flatMap((change) => (change.kind === "ejected" ? change.forMs : []));
      expect(times).toEqual([20_000, 40_000, 60_000, 80_000, 100_000, 120_000, 140_000, 20_000, 20_000]);
    }
  });

  test("that was due before a long silence is over after it", () => {
    const { clock, given, report, succeed, changes } = setup({ failurePercentageEjection: {}, returnWindowMs: 0 }, 5);
    report(3, failure, 100);
    clock.tick(3_600_000);
    succeed([1]);
    expect(given()).toHaveLength(5);
    expect(changes.map(({ kind }) => kind)).toEqual(["ejected", "returned"]);
  });

  test("ends while no outcome comes, found by a pick", () => {
    const { clock, given, report, pick } = setup(consecutive, 2);
    report(2, failure, 5);
    clock.tick(40_000);
    pick(16);
    expect(given()).toEqual([1, 2]);
  });

  test("outlasts the loss of the connection, and the endpoint's leave", () => {
    const { given, report, update } = setup(consecutive, 3);
    report(2, failure, 5);
    update([1, 2, 3], [1, 3]);
    expect(given()).toEqual([1, 3]);
    update([1, 2, 3]);
    expect(given()).toEqual([1, 3]);
    update([1, 3]);
    update([1, 2, 3, 4]);
    expect(given()).toEqual([1, 3, 4]);
  });

  test("of an endpoint that left does not count against the others' share", () => {
    const { given, report, update } = setup(consecutive, 4);
    report(2, failure, 5);
    update([1, 3, 4]);
    report(3, failure, 5);
    expect(given()).toEqual([1, 4]);
  });

  test("is no matter of outcomes that come of endpoints that left", () => {
    const { given, report, update } = setup(consecutive, 3);
    update([1, 3]);
    report(2, failure, 50);
    report(39, failure, 50);
    update([1, 2, 3]);
    expect(given()).toEqual([1, 2, 3]);
  });

  test("leaves what was learnt of the others alone when the set changes", () => {
    const { clock, given, report, update, succeed } = setup(
      { failurePercentageEjection: {}, consecutiveFailures: {} },
      5,
    );
    report(2, failure, 4);
    report(3, success);
    report(3, failure, 3);
    update([1, 2, 3, 4, 5, 6]);
    update([2, 3, 4, 5, 6, 7]);
    report(2, failure);
    expect(given()).toEqual([3, 4, 5, 6, 7]);
    clock.tick(10_000);
    succeed([4]);
    expect(given()).toEqual([3, 4, 5, 6, 7]);
  });
});

describe("the share that is ejected", () => {
  test.each([
    [1, 10, 0],
    [2, 10, 1],
    [10, 10, 1],
    [19, 10, 1],
    [20, 10, 2],
    [39, 10, 3],
    [10, 25, 2],
    [10, 0, 0],
    [10, 90, 9],
  ])("of %i endpoints and %i percent is %i", (count, maxEjectionPercent, most) => {
    const { given, report, changes } = setup({ ...consecutive, maxEjectionPercent, panicThreshold: 0 }, count);
    for (const number of range(count)) report(number, failure, 20);
    expect(changes).toHaveLength(most);
    expect(given()).toHaveLength(count - most);
  });

  test("is kept where everything fails for all, whatever finds it out", () => {
    const { clock, given, report, changes } = setup(
      { failurePercentageEjection: {}, consecutiveFailures: {}, successRateEjection: {} },
      20,
    );
    for (let interval = 0; interval < 20; interval++) {
      for (const number of range(20)) report(number, failure, 150);
      expect(given().length).toBeGreaterThanOrEqual(18);
      clock.tick(10_000);
    }
    expect(changes.some((change) => change.kind === "ejected" && change.reason === "successRateEjection")).toBe(false);
  });

  test("is kept when the set shrinks: those return that would first", () => {
    const { clock, given, report, update, changes } = setup({ ...consecutive, panicThreshold: 0 }, 20);
    report(5, failure, 5);
    clock.tick(1);
    report(6, failure, 5);
    expect(given()).toHaveLength(18);
    update(range(10));
    expect(given()).toEqual([1, 2, 3, 4, 5, 7, 8, 9, 10]);
    expect(changes.at(-1)).toMatchObject({ kind: "returned", endpoint: { key: "pod-5" } });
    update([6]);
    expect(given()).toEqual([6]);
  });
});

describe("in a panic", () => {
  const options: OutlierDetectionOptions = { ...consecutive, maxEjectionPercent: 100 };

  test("ejected endpoints are used, and no longer than it lasts", () => {
    const { clock, given, report, succeed } = setup(options, 4);
    report(1, failure, 5);
    report(2, failure, 5);
    expect(given()).toEqual([3, 4]); // half is not below half
    clock.tick(10_000);
    report(3, failure, 5);
    expect(given()).toEqual([1, 2, 3, 4]);
    clock.tick(20_000);
    succeed([4]);
    expect(given()).toEqual([1, 2, 4]);
  });

  test("endpoints without a ready connection count as unhealthy, and are not used", () => {
    const { given, report, update } = setup(options, 4);
    report(1, failure, 5);
    expect(given()).toEqual([2, 3, 4]);
    update(range(4), [1, 2]);
    expect(given()).toEqual([1, 2]);
    update(range(4), [1, 2, 3]);
    expect(given()).toEqual([2, 3]);
  });

  test("that is turned off only those are used that are not ejected, unless nothing else is left", () => {
    const { given, report, update } = setup({ ...options, panicThreshold: 0 }, 4);
    for (const number of [1, 2, 3]) report(number, failure, 5);
    expect(given()).toEqual([4]);
    update(range(4), [1, 2]);
    expect(given()).toEqual([1, 2]);
  });
});

describe("one that returns", () => {
  test("gets less at first", () => {
    const { clock, probe, report, pick, succeed } = setup({ consecutiveFailures: {} }, 3);
    report(2, failure, 5);
    clock.tick(40_000);
    succeed([1]);
    expect(probe.weights()).toEqual([1, expect.closeTo(1, 12), 1]); // it was time at 30 s: its window is over
    report(2, failure, 5);
    for (let interval = 0; interval < 3; interval++) {
      clock.tick(10_000);
      succeed([1]);
    }
    expect(probe.weights()).toEqual([1, 0.1, 1]);
    clock.tick(5_000);
    pick(16);
    expect(probe.weights()).toEqual([1, 0.5, 1]);
    clock.tick(5_000);
    succeed([1]);
    expect(probe.weights()).toEqual([1, 1, 1]);
    expect(probe.madeAnew).toBe(1);
  });

  test("is not taken for a new one by a slow start inside, nor outside", () => {
    const window = { windowMs: 20_000 };
    for (const order of ["inside", "outside"]) {
      const clock = new FakeClock();
      const probe = probePolicy();
      const inner = order === "inside" ? slowStart(window, probe.policy) : probe.policy;
      const detection = outlierDetection({ consecutiveFailures: {}, baseEjectionTimeMs: 60_000 }, inner);
      const policy = order === "inside" ? detection : slowStart(window, detection);
      const all = candidates(4);
      const context = policyContext({ clock });
      let picker = policy(undefined, all, context);
      clock.tick(20_000);
      for (let time = 0; time < 5; time++) picker.report?.(all[0], failure);
      expect(probe.keys()).toEqual(["pod-2", "pod-3", "pod-4"]);
      clock.tick(30_000);
      // another set in between
      const others = candidates(5);
      picker = policy(picker, [...all, ...others.slice(4)] as unknown as typeof all, context);
      expect(probe.weights()).toEqual([1, 1, 1, 0.1]);
      clock.tick(30_000);
      picker.report?.(all[3] as LoadedCandidate, success);
      expect(probe.keys()).toEqual(["pod-1", "pod-2", "pod-3", "pod-4", "pod-5"]);
      expect(probe.weights()).toEqual([0.1, 1, 1, 1, 1]);
      clock.tick(5_000);
      picker.report?.(all[3] as LoadedCandidate, success);
      expect(probe.weights()).toEqual([0.5, 1, 1, 1, 1]);
    }
  });
});

describe("the policy inside", () => {
  test("gets every outcome once, also those of ejected endpoints, and its picker back", () => {
    const { probe, report } = setup(consecutive, 3);
    report(2, failure, 7);
    report(1, success, 3);
    expect(probe.reports.map(({ key }) => key)).toEqual([...new Array(7).fill("pod-2"), ...new Array(3).fill("pod-1")]);
    expect([probe.made, probe.madeAnew]).toEqual([2, 1]);
  });

  test("keeps the order of the candidates", () => {
    const { given, report, update } = setup({ ...consecutive, maxEjectionPercent: 50 }, 6);
    update([6, 2, 4, 1, 5, 3]);
    report(4, failure, 5);
    report(6, failure, 5);
    expect(given()).toEqual([2, 1, 5, 3]);
  });

  test("is not asked while nothing changes", () => {
    const { clock, probe, report, succeed, pick } = setup({}, 10);
    for (let second = 0; second < 100; second++) {
      succeed(range(10), 10);
      report(4, failure, 3);
      pick(40);
      clock.tick(1_000);
    }
    expect(probe.made).toBe(1);
  });

  test("is asked in bounded intervals when there are many candidates", () => {
    const clock = new FakeClock(1_000);
    const probe = probePolicy();
    const policy = outlierDetection({ consecutiveFailures: { threshold: 1 } }, probe.policy);
    const all = candidates(2_000);
    const picker = policy(undefined, all, policyContext({ clock }));
    for (const candidate of all.slice(0, 200)) {
      picker.report?.(candidate, failure);
      clock.tick(1);
    }
    picker.report?.(all[0], failure);
    expect(probe.made).toBeLessThan(13); // at most every 20 ms
    expect(probe.candidates).toHaveLength(1_800);
  });

  test("starts anew after the picker of another policy", () => {
    const clock = new FakeClock();
    const context = policyContext({ clock });
    const all = candidates(3);
    const foreign = outlierDetection({}, roundRobin())(undefined, all, context);
    for (let time = 0; time < 5; time++) foreign.report?.(all[0], failure);
    const probe = probePolicy();
    outlierDetection({}, probe.policy)(foreign, all, context);
    expect(keysOf(probe.candidates.map(({ endpoint }) => endpoint))).toHaveLength(3);
    expect(probe.madeAnew).toBe(1);
  });

  test("has to be one", () => {
    expect(() => outlierDetection({}, {} as never)).toThrow("outlierDetection.child: expected a function");
  });
});

test("a picker says what it chooses from", () => {
  const all = candidates(3);
  const picker = outlierDetection(consecutive, roundRobin())(undefined, all, policyContext());
  for (let time = 0; time < 5; time++) picker.report?.(all[0], failure);
  expect((picker as unknown as { candidates: unknown }).candidates).toEqual(all.slice(1));
});
