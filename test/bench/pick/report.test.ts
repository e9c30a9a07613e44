import { expect, test } from "vitest";
import { type PickRow, pickJson, pickTable } from "./report.ts";

const rows: PickRow[] = [
  { policy: "least-request", target: 100, endpoints: 10, nsPerPick: 61.04, nsPerReport: 5.26 },
  { policy: "least-request", target: 100, endpoints: 10_000, nsPerPick: 101, nsPerReport: 9 },
  { policy: "random", target: 100, endpoints: 10, nsPerPick: 12, nsPerReport: null },
  { policy: "channel", target: undefined, endpoints: 10, nsPerPick: 150, nsPerReport: 90 },
];

test("a row is one line of JSON", () => {
  expect(rows.map((row) => JSON.parse(pickJson(row)))).toMatchObject([
    { case: "pick", policy: "least-request", endpoints: 10, nsPerPick: 61, nsPerReport: 5.3 },
    { case: "pick", policy: "least-request", endpoints: 10_000, nsPerPick: 101, nsPerReport: 9 },
    { case: "pick", policy: "random", endpoints: 10, nsPerPick: 12, nsPerReport: null },
    { case: "pick", policy: "channel", endpoints: 10 },
  ]);
  expect(pickJson(rows[0] as PickRow)).toMatch(/^[^\n]+\n$/);
});

test("the table has a line for each policy, and says where its target is missed", () => {
  const lines = pickTable(rows).split("\n");
  expect(lines[1]).toMatch(/^policy +10 +10000 +target$/);
  expect(lines[2]).toMatch(/^least-request +61 \(5\) +101 \(9\) +≤ 100: missed at 10000$/);
  expect(lines[3]).toMatch(/^random +12 +– +≤ 100: met$/);
  expect(lines[4]).toMatch(/^channel +150 \(90\) +–$/);
});
