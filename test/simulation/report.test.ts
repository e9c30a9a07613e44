import { expect, test } from "vitest";
import { constant } from "./distributions.ts";
import { jsonRow, markdownTable, textTable } from "./report.ts";
import { parseRow } from "./row.ts";
import type { Scenario } from "./scenario.ts";
import type { Figures } from "./tally.ts";

const scenario: Scenario = {
  name: "uniform",
  title: "All alike.",
  clients: [{ count: 1 }],
  pods: [{ count: 2, workers: 1 }],
  rps: 1,
  work: constant(1),
  rows: [],
};

const figures: Figures = {
  ...{ rpcs: 10, meanMs: 2, p50Ms: 1.2345678, p99Ms: 99.96, p999Ms: 1_000, failed: 0, retries: 0, mostJobs: 7 },
  ...{ maxToMean: 1.5, maxToMeanByWeight: 1, oddShare: undefined, sameZone: 1, connections: [1, 1] },
};

const results = [
  { row: parseRow("random"), figures },
  { row: parseRow("least-request+retry"), figures: { ...figures, failed: 0.00012, retries: 0.25 } },
];

test("a table has the columns that say something", () => {
  expect(textTable(scenario, results.slice(0, 1))).toBe(
    [
      "uniform: All alike.",
      "policy  p50 ms  p99 ms  p999 ms  max/mean  most jobs",
      "random     1.2     100     1000      1.50          7",
      "\n",
    ].join("\n"),
  );
  expect(markdownTable(scenario, results)).toBe(
    [
      "### uniform\n",
      "All alike.\n",
      "| policy | p50 ms | p99 ms | p999 ms | failed | retries | max/mean | most jobs |",
      "|---|--:|--:|--:|--:|--:|--:|--:|",
      "| random | 1.2 | 100 | 1000 | 0 | 0 | 1.50 | 7 |",
      "| least-request+retry | 1.2 | 100 | 1000 | 0.012 % | 25.0 % | 1.50 | 7 |",
      "\n",
    ].join("\n"),
  );
});

test("odd pods, weights, zones and subsets have columns of their own", () => {
  const special: Scenario = {
    ...scenario,
    clients: [{ count: 1, zone: "a" }],
    pods: [
      { count: 1, workers: 1, weight: 3 },
      { count: 1, workers: 1 },
    ],
  };
  const few: Figures = { ...figures, oddShare: 0.5, connections: [2, 9] };
  const [, , , , head, , line] = markdownTable(special, [{ row: parseRow("random+rendezvous"), figures: few }]).split(
    "\n",
  );
  expect(head).toBe(
    "| policy | p50 ms | p99 ms | p999 ms | odd pod | max/mean | by weight | most jobs | own zone | connections |",
  );
  expect(line).toBe("| random+rendezvous | 1.2 | 100 | 1000 | 0.50 | 1.50 | 1.00 | 7 | 100.0 % | 2–9 |");
});

test("--json has every figure, rounded, and which row it is of", () => {
  expect(JSON.parse(jsonRow(scenario, results[1]!))).toMatchObject({
    ...{ scenario: "uniform", policy: "least-request+retry", p50Ms: 1.2346, failed: 0.00012, connections: [1, 1] },
  });
});
