import { describe, expect, test } from "vitest";
import { constant, exponential } from "./distributions.ts";
import { parseRow } from "./row.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { simulate } from "./simulate.ts";
import type { Figures } from "./tally.ts";

const steady: Scenario = {
  name: "steady",
  title: "two clients, four pods",
  clients: [{ count: 2 }],
  pods: [{ count: 4, workers: 2 }],
  rps: 200,
  work: constant(10),
  rows: ["round-robin"],
};

function run(changes: Partial<Scenario>, policy = "round-robin", seconds = 20, seed = 1): Figures {
  return simulate({ ...steady, ...changes }, parseRow(policy), seconds, seed);
}

describe("simulate", () => {
  test("the same seed gives the same figures, another seed others", () => {
    const crowd = { clients: [{ count: 5 }], work: exponential(10) };
    for (const policy of ["least-request", "least-request+retry"]) {
      expect(run(crowd, policy)).toEqual(run(crowd, policy));
      expect(run(crowd, policy, 20, 2)).not.toEqual(run(crowd, policy));
    }
  });

  test("counts the RPCs of its seconds, spread as the policy does", () => {
    const figures = run({});
    expect(Math.abs(figures.rpcs / 4_000 - 1)).toBeLessThan(0.05);
    expect(figures).toMatchObject({ failed: 0, retries: 0, sameZone: 1, connections: [2, 2], oddShare: undefined });
    expect(figures.maxToMean).toBeLessThan(1.01);
    expect(figures.p50Ms).toBeCloseTo(10.5, 5); // there and back
  });

  test("one pod with one worker is M/M/1, the network included", () => {
    const { p50Ms, p99Ms } = run(
      { pods: [{ count: 1, workers: 1 }], rps: 80, work: exponential(10) },
      "round-robin",
      3_000,
    );
    // the time in M/M/1 is exponential, its mean 1 / (mu - lambda)
    expect(Math.abs((p50Ms - 0.5) / (50 * Math.LN2) - 1)).toBeLessThan(0.05);
    expect(Math.abs((p99Ms - 0.5) / (50 * Math.log(100)) - 1)).toBeLessThan(0.1);
  });

  test("random and two choices wait as long as the theory of the supermarket says", () => {
    // Mitzenmacher, 2001: with d choices, a share of load^((d^i - 1) / (d - 1)) of the queues is i long or longer
    const load = 0.9;
    const twoChoices = [1, 2, 3, 4, 5, 6].reduce((sum, i) => sum + load ** (2 ** i - 1), 0) / load;
    const supermarket = {
      clients: [{ count: 1 }],
      pods: [{ count: 100, workers: 1 }],
      rps: load * 5_000,
      work: exponential(20),
      network: { sameZoneMs: 0, crossZoneMs: 0 },
    };
    expect(Math.abs(run(supermarket, "random", 40).meanMs / (20 / (1 - load)) - 1)).toBeLessThan(0.1);
    expect(Math.abs(run(supermarket, "least-request-2", 40).meanMs / (20 * twoChoices) - 1)).toBeLessThan(0.05);
  }, 30_000);

  test("a deadline ends an RPC, and is a failure", () => {
    const slow = [
      { count: 3, workers: 2 },
      { count: 1, workers: 1_000, slowdown: 100, isOdd: true },
    ];
    const figures = run({ pods: slow, deadlineMs: 500 });
    expect(figures.failed).toBeCloseTo(0.25, 1);
    expect(figures.oddShare).toBeCloseTo(1, 1);
    expect(figures.p999Ms).toBeCloseTo(500, 6);
  });

  test("retries go elsewhere, and stay within their budget", () => {
    const failing = (count: number) => [
      { count: 8 - count, workers: 2 },
      { count, workers: 2, fails: { afterMs: 1 }, isOdd: true },
    ];
    const one = run({ pods: failing(1) }, "round-robin+retry");
    expect(run({ pods: failing(1) }).failed).toBeCloseTo(1 / 8, 2);
    expect(one.failed).toBe(0);
    expect(one.retries).toBeGreaterThan(0.1);
    const all = run({ pods: failing(8).slice(1), rps: 1_000 }, "round-robin+retry");
    expect(all.failed).toBe(1);
    // 20 % and 10 per second and client
    expect(all.retries).toBeLessThanOrEqual(0.2 + (2 * 10) / 1_000 + 0.005);
  });

  test("a frozen pod gets nothing once it is suspect, and loses nothing", () => {
    const frozen = { everyMs: 20_000, fromMs: 5_000, forMs: 10_000 };
    const pods = [
      { count: 3, workers: 2 },
      { count: 1, workers: 2, freezes: frozen },
    ];
    const figures = run({ pods });
    expect(figures.failed).toBe(0);
    expect(figures.oddShare).toBeGreaterThan(0.05);
    expect(figures.oddShare).toBeLessThan(0.2); // 1.25 s of 10
    expect(figures.p999Ms).toBeGreaterThan(8_000);
  });

  test("pods come and go, and no RPC is lost with them", () => {
    const visits = { everyMs: 5_000, fromMs: 1_000, forMs: 3_000, coldMs: 3_000, coldSlowdown: 3 };
    const pods = [
      { count: 3, workers: 4 },
      { count: 2, workers: 4, visits },
    ];
    const figures = run({ pods });
    expect(figures.failed).toBe(0);
    expect(figures.oddShare).toBeCloseTo(1, 1);
  });
});

test.each(scenarios)("scenario $name runs", (scenario) => {
  const rps = scenario.rps / 20;
  for (const name of scenario.rows.slice(-2)) {
    expect(simulate({ ...scenario, rps }, parseRow(name), 10, 1).rpcs).toBeGreaterThan(8 * rps);
  }
});
