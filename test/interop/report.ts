import { AssertionError } from "node:assert/strict";
import { inspect } from "node:util";
import type { Result, Suite } from "./suite.ts";

/** A line for each check, as it ends. */
export function formatResult({ peer, check, ms, remark, error }: Result): string {
  const verdict = error === undefined ? "ok" : "FAILED";
  const note = error === undefined ? (remark ?? "") : messageOf(error);
  return `${verdict.padEnd(6)} ${peer}: ${check} (${(ms / 1_000).toFixed(1)} s) ${note}`.trimEnd();
}

/** A table for each group: peers × checks, in the order of the suites; below it what failed. */
export function formatTables(results: readonly Result[], suites: readonly Suite[]): string {
  const inOrder = suites.flatMap(({ peer }) => results.filter((result) => result.peer === peer));
  const groups = Map.groupBy(inOrder, ({ group }) => group);
  return [...groups].map(([group, members]) => `\n${group}\n${formatTable(members)}`).join("\n");
}

function formatTable(results: readonly Result[]): string {
  const checks = [...new Set(results.map(({ check }) => check))];
  const rows = [...Map.groupBy(results, ({ peer }) => peer)].map(([peer, members]) => [
    peer,
    ...checks.map((check) => {
      const result = members.find((member) => member.check === check);
      return result === undefined ? "-" : result.error === undefined ? "ok" : "FAILED";
    }),
  ]);
  const table = [["", ...checks], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  "));
  const failures = results.filter(({ error }) => error !== undefined);
  return [
    ...lines.map((line) => line.trimEnd()),
    ...failures.map(({ peer, check, error }) => `FAILED ${peer}: ${check}: ${messageOf(error)}`),
  ].join("\n");
}

/** One line, with the values that an assertion compared. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (!(error instanceof AssertionError) || error.operator === "==") return text;
  const difference = `got ${inspect(error.actual)}, expected ${inspect(error.expected)}`;
  return error.generatedMessage ? difference : `${text}: ${difference}`;
}
