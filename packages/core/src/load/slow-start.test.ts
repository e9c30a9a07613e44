import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, type LoadedCandidate, pick, policyContext } from "../../test-helpers/candidates.ts";
import { pod, subsetOf } from "../../test-helpers/endpoints.ts";
import { failure, type Probe, probePolicy, success } from "../../test-helpers/probe-policy.ts";
import { outlierDetection } from "../outlier/outlier-detection.ts";
import type { Picker } from "../picker/picker.ts";
import { roundRobin } from "../policy/round-robin.ts";
import { slowStart } from "./slow-start.ts";

const windowMs = 10_000;

interface Setup {
  readonly clock: FakeClock;
  readonly probe: Probe;
  /** Makes the picker for those pods. */
  readonly update: (...numbers: number[]) => Picker<LoadedCandidate>;
  /** From now on none is ready, until the next update. */
  readonly empty: () => void;
}

function setup(options: Partial<Parameters<typeof slowStart>[0]> = {}, all = candidates(20)): Setup {
  const clock = new FakeClock();
  const probe = probePolicy();
  const policy = slowStart({ windowMs, ...options }, probe.policy);
  const context = policyContext({ clock });
  let picker: Picker<LoadedCandidate> | undefined;
  let emptySince: number | undefined;
  return {
    clock,
    probe,
    update(...numbers) {
      const [first, ...rest] = numbers.map((number) => all[number - 1] as LoadedCandidate);
      if (first === undefined) throw new RangeError("a policy gets at least one candidate");
      picker = policy(picker, [first, ...rest], emptySince === undefined ? context : { ...context, emptySince });
      emptySince = undefined;
      return picker;
    },
    empty() {
      emptySince = clock.now();
    },
  };
}

describe("slow start", () => {
  test("gives one that joins less at first, and more with each step", () => {
    const { clock, probe, update } = setup();
    update(1, 2);
    clock.tick(windowMs);
    const picker = update(1, 2, 3);
    expect(probe.weights()).toEqual([1, 1, 0.1]);

    clock.tick(2_500);
    picker.pick({ path: "" });
    expect(probe.weights()).toEqual([1, 1, 0.25]);
    clock.tick(499);
    picker.pick({ path: "" });
    expect(probe.weights()).toEqual([1, 1, 0.25]);
    clock.tick(2_001);
    picker.report?.(candidates(1)[0], success);
    expect(probe.weights()).toEqual([1, 1, 0.5]);
    clock.tick(60_000);
    picker.pick({ path: "" });
    expect(probe.weights()).toEqual([1, 1, 1]);
  });

  test("multiplies the weights that there are", () => {
    const all = candidates(2);
    all[1] = { endpoint: pod(2, { weight: 3 }), inFlight: 0 };
    const { clock, probe, update } = setup({ minWeightPercent: 20 }, all);
    update(1);
    clock.tick(windowMs);
    update(1, 2);
    expect(probe.weights()).toEqual([1, expect.closeTo(0.6, 12)]);
  });

  test("does nothing where all are new, also later on", () => {
    const { clock, probe, update } = setup();
    update(1);
    update(1, 2);
    clock.tick(windowMs - 1);
    update(1, 2, 3);
    expect(probe.weights()).toEqual([1, 1, 1]);
    clock.tick(1);
    update(1, 2, 3);
    expect(probe.weights()).toEqual([1, 1, 1]);
    update(1, 2, 3, 4); // the first has been in for a window now
    expect(probe.weights()).toEqual([1, 1, 1, 0.1]);
  });

  test("does nothing after all were replaced", () => {
    const { clock, probe, update } = setup();
    update(1, 2);
    clock.tick(windowMs);
    update(3);
    update(3, 4);
    expect(probe.weights()).toEqual([1, 1]);
  });

  test("does nothing after a long outage of all, whoever is back first", () => {
    for (const first of [[2], [3], [2, 3]]) {
      const { clock, probe, update, empty } = setup();
      update(1, 2);
      clock.tick(2 * windowMs);
      empty();
      clock.tick(windowMs);
      update(...first);
      const picker = update(2, 3, 4, 5);
      expect(probe.weights()).toEqual([1, 1, 1, 1]);
      clock.tick(windowMs - 1);
      picker.pick({ path: "" });
      update(1, 2, 3, 4, 5);
      expect(probe.weights()).toEqual([1, 1, 1, 1, 1]);
      clock.tick(1);
      update(1, 2, 3, 4, 5, 6);
      expect(probe.weights()).toEqual([1, 1, 1, 1, 1, 0.1]);
    }
  });

  test("lets all keep their age in a short outage of all, and gives others less", () => {
    const { clock, probe, update, empty } = setup();
    update(1, 2);
    clock.tick(windowMs);
    empty();
    clock.tick(windowMs - 1);
    update(2, 3);
    expect(probe.weights()).toEqual([1, 0.1]);
    update(1, 2, 3); // away for a moment less than the window
    expect(probe.weights()).toEqual([1, 1, 0.1]);
  });

  test("counts an absence that began before an outage of all from its beginning", () => {
    const { clock, probe, update, empty } = setup();
    update(1, 2);
    clock.tick(windowMs);
    update(1);
    clock.tick(1);
    empty();
    clock.tick(windowMs - 1);
    update(1, 2);
    expect(probe.weights()).toEqual([1, 0.1]);
  });

  test("hears of an outage of all once, however often it is told", () => {
    const clock = new FakeClock();
    const probe = probePolicy();
    const policy = slowStart({ windowMs }, probe.policy);
    const all = candidates(3);
    let picker = policy(undefined, [all[0]], policyContext({ clock }));
    clock.tick(windowMs);
    // another decorator keeps the context that it was given
    const context = policyContext({ clock, emptySince: clock.now() });
    for (const count of [1, 1, 2]) {
      picker = policy(picker, all.slice(0, count) as unknown as typeof all, context);
      clock.tick(windowMs);
    }
    expect(probe.weights()).toEqual([1, 0.1]);
  });

  test("lets one that was away for a moment keep its age", () => {
    const { clock, probe, update } = setup();
    update(1, 2);
    clock.tick(windowMs);
    update(1);
    clock.tick(windowMs - 1);
    update(1, 2);
    expect(probe.weights()).toEqual([1, 1]);
  });

  test("lets one that was away while its weight grew go on as if it had not been", () => {
    const { clock, probe, update } = setup();
    update(1);
    clock.tick(windowMs);
    update(1, 2);
    clock.tick(1_000);
    update(1);
    clock.tick(4_000);
    update(1, 2).pick({ path: "" });
    expect(probe.weights()).toEqual([1, 0.5]);
  });

  test("takes one that was away for a window for a new one, whether or not it looked in between", () => {
    for (const looks of [false, true]) {
      const { clock, probe, update } = setup();
      update(1, 2);
      clock.tick(windowMs);
      update(1);
      clock.tick(windowMs);
      if (looks) update(1);
      update(1, 2);
      expect(probe.weights()).toEqual([1, 0.1]);
    }
  });

  test("counts several short absences one by one", () => {
    const { clock, probe, update } = setup();
    update(1, 2);
    for (let absence = 0; absence < 5; absence++) {
      clock.tick(windowMs);
      update(1);
      clock.tick(windowMs / 2);
      update(1, 2);
      expect(probe.weights()).toEqual([1, 1]);
    }
  });

  test("does not take one for new that a decorator outside held back", () => {
    const clock = new FakeClock();
    const probe = probePolicy();
    const policy = slowStart({ windowMs }, probe.policy);
    const all = candidates(2);
    const context = policyContext({ clock });
    let picker = policy(undefined, all, context);
    clock.tick(windowMs);
    picker = policy(picker, [all[0]], { ...context, ready: all } as typeof context);
    clock.tick(5 * windowMs);
    policy(picker, all, context);
    expect(probe.weights()).toEqual([1, 1]);
  });

  test("hands its child's picker on, makes one only for weights that moved, and forwards every outcome", () => {
    const { clock, probe, update } = setup();
    update(1, 2);
    clock.tick(windowMs);
    const picker = update(1, 2, 3);
    expect(probe.made).toBe(2);
    for (let tenth = 0; tenth < 200; tenth++) {
      clock.tick(100);
      picker.pick({ path: "" });
      picker.report?.(pick(picker), tenth % 2 === 0 ? success : failure);
    }
    expect(probe.made).toBe(2 + 18); // twenty steps, of which two are at the least weight
    expect(probe.madeAnew).toBe(1);
    expect(probe.reports).toHaveLength(200);
  });

  test("chooses from what its child chooses from", () => {
    const all = candidates(3);
    const detection = outlierDetection({ consecutiveFailures: { threshold: 1 } }, roundRobin());
    const picker = slowStart({ windowMs }, detection)(undefined, all, policyContext());
    expect(picker.candidates).toEqual(all);
    picker.report?.(all[1] as LoadedCandidate, failure);
    expect(picker.candidates).toEqual([all[0], all[2]]);
    expect(slowStart({ windowMs }, roundRobin())(undefined, all, policyContext()).candidates).toEqual(all);
  });

  test("reads no clock while nothing grows", () => {
    const { clock, update } = setup();
    const picker = update(1, 2);
    let reads = 0;
    clock.now = () => reads++;
    for (let rpc = 0; rpc < 100; rpc++) picker.report?.(pick(picker), success);
    expect(reads).toBe(0);
  });

  test("starts anew after the picker of another policy", () => {
    const clock = new FakeClock();
    const context = policyContext({ clock });
    const all = candidates(2);
    const probe = probePolicy();
    const foreign = slowStart({ windowMs: 5 }, roundRobin())(undefined, [all[0]], context);
    clock.tick(1_000);
    slowStart({ windowMs: 5 }, probe.policy)(foreign, all, context);
    expect(probe.weights()).toEqual([1, 1]);
    expect(probe.madeAnew).toBe(1);
  });

  test("forgets those that are gone, whatever comes and goes", () => {
    const random = seededRandom(3);
    const { clock, probe, update } = setup();
    const numbers = Array.from({ length: 19 }, (_, index) => index + 2);
    for (let step = 0; step < 2_000; step++) {
      clock.tick(Math.floor(random() * windowMs));
      update(1, ...subsetOf(random, numbers));
      for (const weight of probe.weights()) expect(weight >= 0.1 && weight <= 1).toBe(true);
      expect(probe.weights()[0]).toBe(1);
    }
    clock.tick(windowMs);
    update(1);
    clock.tick(windowMs);
    update(1);
    update(1, ...numbers);
    expect(probe.weights()).toEqual([1, ...numbers.map(() => 0.1)]);
  });

  test.each([
    [{}, TypeError, "slowStart.windowMs: expected a number from 1 to 2147483647 milliseconds, got undefined"],
    [{ windowMs: 0 }, RangeError, "slowStart.windowMs: expected a number from 1"],
    [{ windowMs: Number.POSITIVE_INFINITY }, RangeError, "slowStart.windowMs"],
    [{ windowMs: 1, aggression: 0 }, RangeError, "slowStart.aggression: expected a number from 0.01 to 100, got 0"],
    [{ windowMs: 1, minWeightPercent: 0 }, RangeError, "slowStart.minWeightPercent"],
    [{ windowMs: 1, minWeightPercent: "5" }, TypeError, "slowStart.minWeightPercent"],
    [{ window: 1 }, TypeError, "window: no option of slowStart"],
    [{ windowMs: 1, aggression: null }, TypeError, "slowStart.aggression"],
    [undefined, TypeError, "slowStart: expected an object of options"],
    [[], TypeError, "slowStart: expected an object of options"],
  ])("refuses %j", (options, type, message) => {
    const make = () => slowStart(options as Parameters<typeof slowStart>[0], roundRobin());
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  test("refuses a child that is no policy", () => {
    expect(() => slowStart({ windowMs }, undefined as never)).toThrow("slowStart.child: expected a function");
  });
});
