import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, outcome, pick, pickKeys, policyContext } from "../../test-helpers/candidates.ts";
import { LoadSimulation, type Service, service } from "../../test-helpers/load-simulation.ts";
import { leastRequest } from "./least-request.ts";
import { neverQueue } from "./never-queue.ts";
import { peakEwma } from "./peak-ewma.ts";
import type { Policy } from "./policy.ts";
import { shortestExpectedDelay } from "./shortest-expected-delay.ts";

const policies: readonly [string, () => Policy][] = [
  ["least request", leastRequest],
  ["least request of two", () => leastRequest({ choices: 2 })],
  ["shortest expected delay", shortestExpectedDelay],
  ["never queue", neverQueue],
  ["peak EWMA", peakEwma],
];

const healthyMs = 10;

/** Pods that answer after 10 ms, of which the first fails a share of its RPCs after 1 ms, until `until`. */
function pods(count: number, failures: number, until = Number.POSITIVE_INFINITY): Service[] {
  const failing = service(healthyMs, failures);
  return Array.from({ length: count }, (_, index) => {
    const well = service(healthyMs, 0, 1, index);
    return index > 0 ? well : (now, inFlight) => (now < until ? failing : well)(now, inFlight);
  });
}

/** What the first pod got, relative to a fair share. */
function relative(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return ((counts[0] as number) / total) * counts.length;
}

describe.each(policies)("%s", (_name, create) => {
  // few of them and many: compared exactly, and drawn
  test.each([
    [10, 1, 1_800, 0.6],
    [10, 10, 600, 0.1],
    [10, 5_000, 20, 0.01],
    [40, 1, 3_600, 0.85],
    [40, 10, 600, 0.25],
    [40, 5_000, 20, 0.02],
  ])("gives a pod of %d that fails at once less than its share of %d RPCs/s", (count, rate, seconds, most) => {
    const share = relative(new LoadSimulation({ policy: create(), pods: pods(count, 1), rate }).run(seconds));
    expect(share).toBeLessThan(most);
    expect(share).toBeGreaterThan(0); // or nobody would see that it is well again
  });

  test("gives one that fails some of its RPCs less, the more it fails", () => {
    const shares = [0, 0.01, 0.1, 0.5].map((failures) =>
      relative(new LoadSimulation({ policy: create(), pods: pods(10, failures), rate: 2_000 }).run(20)),
    );
    expect(shares[0]).toBeGreaterThan(0.9);
    expect(shares[1]).toBeGreaterThan(0.8);
    expect(shares[2]).toBeGreaterThan(0.1);
    expect(shares[2]).toBeLessThan(0.7);
    expect(shares[3]).toBeLessThan(0.1);
  });

  test.each([10, 40, 1_000])(
    "comes back to those of %d whose picks came to nothing, as where they had no room",
    (count) => {
      const set = candidates(count);
      const random = seededRandom(count);
      const picker = create()(undefined, set, policyContext({ random }));
      pickKeys(picker, 2 * count - 1);
      const served = new Set<string>();
      for (let rpc = 0; rpc < 40 * count; rpc++) {
        const picked = pick(picker);
        served.add(picked.endpoint.key);
        picked.inFlight++;
        if (random() < 0.05) pick(picker);
        picked.inFlight--;
        picker.report?.(picked, outcome({ firstByteMs: 5 + 10 * random() }));
      }
      expect(served.size).toBe(count);
    },
  );

  test.each([10, 40])("gives %d that all fail even shares", (count) => {
    const all = Array.from({ length: count }, (_, index) => service(healthyMs, 1, 1, index));
    const counts = new LoadSimulation({ policy: create(), pods: all, rate: 5_000 }).run(10);
    for (const each of counts) {
      expect((each / 50_000) * count).toBeGreaterThan(0.75);
      expect((each / 50_000) * count).toBeLessThan(1.3);
    }
  });

  test("does not flood the one that is well where all others fail", () => {
    const all = Array.from({ length: 10 }, (_, index) => service(healthyMs, index === 0 ? 0 : 1, 1, index));
    const share = relative(new LoadSimulation({ policy: create(), pods: all, rate: 5_000 }).run(10));
    expect(share).toBeGreaterThan(1.2);
    expect(share).toBeLessThan(5);
  });

  test.each([1, 50, 2_000])(
    "gives one that is well again its share within 90 s, and not much more, at %d RPCs/s",
    (rate) => {
      const failingSeconds = 120;
      const simulation = new LoadSimulation({ policy: create(), pods: pods(10, 1, failingSeconds * 1_000), rate });
      simulation.run(failingSeconds);
      for (let second = 0; second < 90; second++) {
        const counts = simulation.run(1);
        if (rate === 2_000) expect(relative(counts)).toBeLessThan(1.5);
      }
      const share = relative(simulation.run(Math.max(30, 2_000 / rate)));
      expect(share).toBeGreaterThan(0.8);
      expect(share).toBeLessThan(1.25);
    },
  );

  test("does not forget a failing pod when the set changes, or while it is away", () => {
    const simulation = new LoadSimulation({ policy: create(), pods: pods(10, 1), rate: 1_000 });
    const all = Array.from({ length: 10 }, (_, index) => index);
    simulation.run(40);
    let toFailing = 0;
    for (let change = 0; change < 20; change++) {
      simulation.change(all.slice(0, 9 + (change % 2)));
      toFailing += simulation.run(0.1)[0] as number;
    }
    simulation.change(all.slice(1));
    simulation.run(2);
    simulation.change(all);
    toFailing += simulation.run(1)[0] as number;
    // of 300; without memory it is the least busy after each of the 22 changes
    expect(toFailing).toBeLessThan(8);
  });

  test("lets the weights of failing pods count", () => {
    const weights = [1, 2, 3, 1, 2, 3];
    const all = weights.map((_, index) => service(healthyMs, 1, 5, index));
    const counts = new LoadSimulation({ policy: create(), pods: all, weights, rate: 5_000 }).run(10);
    const shares = counts.map((count, index) => (count / 50_000 / (weights[index] as number)) * 12);
    for (const share of shares) {
      expect(share).toBeGreaterThan(0.6);
      expect(share).toBeLessThan(1.6);
    }
  });
});
