import type { Cell, EventName, RetireName } from "./cells.ts";
import type { Absence, CellResult } from "./result.ts";
import type { Finding } from "./verdict.ts";

/** A JSON document of one line. */
export function jsonRow({ cell, rpcs, failed, errors }: CellResult): string {
  const { server, client, event, retire } = cell;
  return `${JSON.stringify({ server, client, event, retire, rpcs, failed, errors })}\n`;
}

/** A line for a cell as it ends. */
export function formatCell(result: CellResult | Absence): string {
  const { server, client, event, retire } = result.cell;
  const name = `${server} ${client} ${event} ${retire}`;
  if ("reason" in result) return `${name}: NO FIGURES, ${result.reason}\n`;
  const remarks = result.remarks.map((remark) => `; ${remark}`).join("");
  return `${name}: ${result.failed} of ${result.rpcs} failed${remarks}\n`;
}

const titles: Readonly<Record<EventName, string>> = {
  "max-age": "max-age: every connection is retired at 200 ms ±10 %",
  rolling: "rolling: the pods are replaced one after another",
  none: "none: nothing happens",
};

const outcomes: Readonly<Record<Finding["outcome"], string>> = { met: "met   ", missed: "MISSED", open: "open  " };

/** A table for each event, what the RPCs that failed say, and what became of the targets. */
export function formatReport(results: readonly CellResult[], findings: readonly Finding[]): string {
  const byEvent = Map.groupBy(results, ({ cell }) => cell.event);
  const blocks = [
    ...[...byEvent].map(([event, members]) => [titles[event], ...formatTable(members)]),
    formatErrors(results),
    findings.map(({ what, outcome }) => `${outcomes[outcome]} ${what}`),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => `\n${block.join("\n")}\n`)
    .join("");
}

function formatTable(results: readonly CellResult[]): readonly string[] {
  const retires: readonly RetireName[] = ["two-phase", "one-phase"];
  const heading = retires.flatMap((retire) => [`${retire}: failed`, "of RPCs", "retired", "executed twice"]);
  const rows = [...Map.groupBy(results, ({ cell }) => `${cell.server}\n${cell.client}`)].map(([name, members]) => [
    ...name.split("\n"),
    ...retires.flatMap((retire) => {
      const found = members.find(({ cell }) => cell.retire === retire);
      if (found === undefined) return ["–", "–", "–", "–"];
      return [found.failed, found.rpcs, found.retired, found.executedTwice].map(String);
    }),
  ]);
  const table = [["server", "client", ...heading], ...rows];
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}

function formatErrors(results: readonly CellResult[]): readonly string[] {
  return results.flatMap(({ cell, errors, failed, failedExecuted }) => {
    if (failed === 0) return [];
    const executed = failedExecuted === 0 ? "none executed" : `${failedExecuted} executed`;
    const messages = Object.entries(errors).map(([message, times]) => `  ${times} × ${message}`);
    return [`${nameOf(cell)} (${executed})`, ...messages];
  });
}

function nameOf({ server, client, event, retire }: Cell): string {
  return `${server}, ${client}, ${event}, ${retire}`;
}
