import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, type LoadedCandidate, pick, policyContext } from "../../test-helpers/candidates.ts";
import { sample, subsetOf } from "../../test-helpers/endpoints.ts";
import { failure, probePolicy, success } from "../../test-helpers/probe-policy.ts";
import type { Picker } from "../picker/picker.ts";
import type { OutlierDetectionOptions } from "./options.ts";
import { outlierDetection } from "./outlier-detection.ts";

const total = 24;
const all = candidates(total);

/** A set of at least one, in the order of `all`. */
function someOf(random: () => number, of: readonly LoadedCandidate[]): [LoadedCandidate, ...LoadedCandidate[]] {
  const [first = sample(random, of), ...rest] = subsetOf(random, of);
  return [first, ...rest];
}

const everything: OutlierDetectionOptions = {
  intervalMs: 1_000,
  baseEjectionTimeMs: 3_000,
  maxEjectionTimeMs: 20_000,
  successRateEjection: { requestVolume: 5, minimumHosts: 3 },
  failurePercentageEjection: { requestVolume: 5, minimumHosts: 3, threshold: 50 },
  consecutiveFailures: {},
};

describe.each([0, 10, 30, 100])("of random outcomes and sets, at most %i percent ejected,", (maxEjectionPercent) => {
  test("no more are, the policy inside always has candidates, in their order, and all return", () => {
    const steps = 25_000;
    const random = seededRandom(maxEjectionPercent + 1);
    const clock = new FakeClock();
    const probe = probePolicy();
    const ejected = new Map<string, { until: number }>();
    let count = 0;
    const policy = outlierDetection(
      {
        ...everything,
        maxEjectionPercent,
        onEjection(change) {
          const { key } = change.endpoint;
          expect(ejected.has(key)).toBe(change.kind === "returned");
          if (change.kind === "returned") ejected.delete(key);
          else {
            ejected.set(key, { until: clock.now() + change.forMs });
            count++;
          }
        },
      },
      probe.policy,
    );
    let set = someOf(random, all);
    let ready = someOf(random, set);
    let picker: Picker<LoadedCandidate> | undefined;
    let reports = 0;
    const update = (): void => {
      picker = policy(picker, ready, policyContext({ clock, random, endpoints: set.map(({ endpoint }) => endpoint) }));
    };
    update();

    const check = (): void => {
      const of = set.filter(({ endpoint }) => ejected.has(endpoint.key)).length;
      const share = Math.floor((set.length * maxEjectionPercent) / 100);
      const atLeastOne = maxEjectionPercent > 0 && set.length > 1 ? 1 : 0;
      expect(of).toBeLessThanOrEqual(Math.max(share, atLeastOne));
      const given = probe.candidates;
      expect(given.length).toBeGreaterThan(0);
      const trusted = ready.filter(({ endpoint }) => !ejected.has(endpoint.key));
      expect(given).toEqual(trusted.length === 0 || 2 * trusted.length < set.length ? ready : trusted);
      for (const weight of probe.weights()) expect(weight >= 0.1 && weight <= 1).toBe(true);
    };

    for (let step = 0; step < steps; step++) {
      const die = random();
      if (die < 0.02) {
        set = someOf(random, all);
        ready = someOf(random, set);
        update();
      } else if (die < 0.1) {
        ready = someOf(random, set);
        update();
      } else if (die < 0.2) {
        clock.tick(random() < 0.02 ? 60_000 * random() : 500 * random());
      } else if (die < 0.3) expect(ready).toContain(pick(picker as Picker<LoadedCandidate>));
      else {
        const candidate = sample(random, all);
        const isBad = candidate.endpoint.key.endsWith("3") || (step >> 9) % 8 === 0; // at times all are
        picker?.report?.(candidate, random() < (isBad ? 0.9 : 0.05) ? failure : success);
        reports++;
      }
      if (step % 5 === 0) check();
    }

    expect(probe.reports).toHaveLength(reports);
    expect(probe.madeAnew).toBe(1);
    if (maxEjectionPercent > 0) expect(count).toBeGreaterThan(50);
    clock.tick(21_000);
    picker?.report?.(all[0], success);
    expect([...ejected]).toEqual([]);
    check();
  });
});

test("it makes no difference how often somebody looks at the clock", () => {
  const run = (lookEveryMs: number): string[] => {
    const random = seededRandom(8);
    const clock = new FakeClock();
    const probe = probePolicy();
    const policy = outlierDetection({ ...everything, maxEjectionPercent: 40, returnWindowMs: 0 }, probe.policy);
    const context = policyContext({ clock, random: seededRandom(9), endpoints: all.map(({ endpoint }) => endpoint) });
    const picker = policy(undefined, all, context);
    const log: string[] = [];
    for (let burst = 0; burst < 400; burst++) {
      const pauseMs = Math.ceil(random() < 0.1 ? 60_000 * random() : 1_500 * random());
      for (let past = 0; past < pauseMs; ) {
        const ms = Math.min(lookEveryMs, pauseMs - past);
        past += ms;
        clock.tick(ms);
        for (let time = 0; time < 16; time++) picker.pick({ path: "" });
      }
      for (let rpc = 0; rpc < 60; rpc++) {
        const candidate = all[
          rpc % 8 === 0 ? Math.floor(random() * 3) : Math.floor(random() * total)
        ] as LoadedCandidate;
        const isBad = all.indexOf(candidate) < 6;
        picker.report?.(candidate, random() < (isBad ? 0.7 : 0.02) ? failure : success);
        log.push(probe.keys().join());
      }
    }
    return log;
  };
  const often = run(50);
  expect(new Set(often).size).toBeGreaterThan(50);
  expect(run(10_000_000)).toEqual(often);
});
