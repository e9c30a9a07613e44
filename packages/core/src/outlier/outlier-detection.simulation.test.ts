import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, policyContext } from "../../test-helpers/candidates.ts";
import { failure, success } from "../../test-helpers/probe-policy.ts";
import { runTraffic } from "../../test-helpers/traffic.ts";
import { leastRequest } from "../policy/least-request.ts";
import type { Policy } from "../policy/policy.ts";
import { roundRobin } from "../policy/round-robin.ts";
import type { OutlierDetectionOptions } from "./options.ts";
import { outlierDetection } from "./outlier-detection.ts";

interface Result {
  readonly rpcs: number;
  readonly lost: number;
  /** From the first failure to the first ejection. */
  readonly ejectedAfterMs: number;
  readonly ejections: number;
}

/** Three minutes of 1 000 RPCs a second to ten pods, of which one fails a share of its RPCs in 1 ms from 5 s on. */
function simulate(child: Policy, options: OutlierDetectionOptions | undefined, failing: number): Result {
  const clock = new FakeClock();
  const random = seededRandom(5);
  const all = candidates(10);
  const bad = all[3];
  let brokenAt = Number.POSITIVE_INFINITY;
  let ejectedAfterMs = Number.POSITIVE_INFINITY;
  let ejections = 0;
  let rpcs = 0;
  let lost = 0;
  const onEjection: OutlierDetectionOptions["onEjection"] = ({ kind, endpoint }) => {
    expect(endpoint).toBe(bad?.endpoint);
    if (kind === "returned") return;
    ejections++;
    ejectedAfterMs = Math.min(ejectedAfterMs, clock.now() - brokenAt);
  };
  const policy = options === undefined ? child : outlierDetection({ ...options, onEjection }, child);
  const picker = policy(
    undefined,
    all,
    policyContext({ clock, random, endpoints: all.map(({ endpoint }) => endpoint) }),
  );
  const send = (forMs: number): void =>
    runTraffic({
      ...{ clock, rps: 1_000, forMs, picker: () => picker },
      serve: (candidate) =>
        clock.now() >= brokenAt && candidate === bad && random() < failing
          ? { ...failure, durationMs: 1 }
          : { ...success, durationMs: 5 + 10 * random() },
      ended(_, { code }) {
        rpcs++;
        if (code !== 0) lost++;
      },
    });
  send(5_000);
  brokenAt = clock.now();
  send(175_000);
  return { rpcs, lost, ejectedAfterMs, ejections };
}

describe("one pod of ten fails everything at once", () => {
  test("and costs round robin a tenth of the RPCs, with outlier detection five each time that it is tried", () => {
    const without = simulate(roundRobin(), undefined, 1);
    expect(without.lost / without.rpcs).toBeGreaterThan(0.09);

    const { lost, rpcs, ejectedAfterMs, ejections } = simulate(roundRobin(), {}, 1);
    expect(rpcs).toBeGreaterThan(179_000);
    expect(ejectedAfterMs).toBeLessThan(60); // the fifth of its RPCs, at 100 a second
    expect(ejections).toBe(3); // for 30, 60 and 90 s
    expect(lost).toBe(5 * ejections);
  });

  test("and is no trap for least request", () => {
    const { lost, rpcs, ejections } = simulate(leastRequest(), {}, 1);
    expect(ejections).toBeGreaterThan(0);
    expect(lost / rpcs).toBeLessThan(0.001);
  });

  test("and is ejected at the end of an interval where only the failure percentage is looked at", () => {
    const { lost, rpcs, ejectedAfterMs } = simulate(roundRobin(), { failurePercentageEjection: {} }, 1);
    // the first interval has 50 failures of 100, the second only failures
    expect(ejectedAfterMs).toBeGreaterThan(14_000);
    expect(ejectedAfterMs).toBeLessThan(15_100);
    expect(lost / rpcs).toBeLessThan(0.02);
  });
});

describe("one pod of ten fails three RPCs of ten", () => {
  test("and is found by the success rate within an interval", () => {
    const without = simulate(roundRobin(), undefined, 0.3);
    expect(without.lost / without.rpcs).toBeGreaterThan(0.028);

    const { lost, rpcs, ejectedAfterMs } = simulate(roundRobin(), { successRateEjection: {} }, 0.3);
    expect(ejectedAfterMs).toBeLessThan(5_100);
    expect(lost / rpcs).toBeLessThan(0.01);
  });

  test("and is not found by a failure percentage of 85", () => {
    expect(simulate(roundRobin(), { failurePercentageEjection: {} }, 0.3).ejections).toBe(0);
  });
});

test("nobody is ejected while all pods fail one RPC of a hundred", () => {
  const clock = new FakeClock();
  const random = seededRandom(2);
  const all = candidates(10);
  let ejections = 0;
  const policy = outlierDetection({ onEjection: () => ejections++ }, roundRobin());
  const picker = policy(undefined, all, policyContext({ clock, random }));
  runTraffic({
    ...{ clock, rps: 1_000, forMs: 100_000, picker: () => picker },
    serve: () => (random() < 0.01 ? failure : success),
  });
  expect(ejections).toBe(0);
});
