import type { Row } from "./row.ts";
import type { Scenario } from "./scenario.ts";
import type { Figures } from "./tally.ts";

export interface RowResult {
  readonly row: Row;
  readonly figures: Figures;
}

type Column = readonly [heading: string, cell: (figures: Figures) => string];

/** One JSON document. */
export function jsonRow(scenario: Scenario, { row, figures }: RowResult): string {
  const rounded = (_key: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toPrecision(5)) : value;
  return `${JSON.stringify({ scenario: scenario.name, policy: row.name, ...figures }, rounded)}\n`;
}

export function textTable(scenario: Scenario, results: readonly RowResult[]): string {
  const cells = table(scenario, results);
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = cells.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
  );
  return `${[`${scenario.name}: ${scenario.title}`, ...lines.map((line) => line.join("  "))].join("\n")}\n\n`;
}

export function markdownTable(scenario: Scenario, results: readonly RowResult[]): string {
  const [head = [], ...rows] = table(scenario, results);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = `|---|${"--:|".repeat(head.length - 1)}`;
  return `### ${scenario.name}\n\n${scenario.title}\n\n${[line(head), rule, ...rows.map(line)].join("\n")}\n\n`;
}

function table(scenario: Scenario, results: readonly RowResult[]): string[][] {
  const columns = columnsOf(scenario, results);
  return [
    ["policy", ...columns.map(([heading]) => heading)],
    ...results.map(({ row, figures }) => [row.name, ...columns.map(([, cell]) => cell(figures))]),
  ];
}

/** Those that say something. */
function columnsOf({ pods, clients }: Scenario, results: readonly RowResult[]): readonly Column[] {
  const columns: Column[] = [
    ["p50 ms", ({ p50Ms }) => figure(p50Ms)],
    ["p99 ms", ({ p99Ms }) => figure(p99Ms)],
    ["p999 ms", ({ p999Ms }) => figure(p999Ms)],
  ];
  if (results.some(({ figures }) => figures.failed > 0)) columns.push(["failed", ({ failed }) => percent(failed)]);
  if (results.some(({ row }) => row.retries)) {
    columns.push(["retries", ({ retries }) => percent(retries)]);
  }
  if (results.some(({ figures }) => figures.oddShare !== undefined)) {
    columns.push(["odd pod", ({ oddShare }) => times(oddShare)]);
  }
  if (pods.every(({ visits }) => visits === undefined)) columns.push(["max/mean", ({ maxToMean }) => times(maxToMean)]);
  if (pods.some(({ weight }) => weight !== pods[0]?.weight)) {
    columns.push(["by weight", ({ maxToMeanByWeight }) => times(maxToMeanByWeight)]);
  }
  columns.push(["most jobs", ({ mostJobs }) => String(mostJobs)]);
  if (clients.some(({ zone }) => zone !== undefined)) columns.push(["own zone", ({ sameZone }) => percent(sameZone)]);
  if (results.some(({ figures }) => figures.connections[0] !== results[0]?.figures.connections[1])) {
    columns.push(["connections", ({ connections }) => [...new Set(connections)].join("–")]);
  }
  return columns;
}

function figure(value: number): string {
  return value < 99.95 ? value.toFixed(1) : String(Math.round(value));
}

function times(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(2);
}

/** With more digits where there is little, so that it is not taken for nothing. */
function percent(value: number): string {
  const text = (100 * value).toFixed(value < 0.01 ? 3 : 1);
  return value === 0 ? "0" : `${text} %`;
}
