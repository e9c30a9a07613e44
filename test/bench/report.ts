import { answerSpecs } from "./cases.ts";
import { type CaseResult, type ClientResult, medianRatio, medians } from "./result.ts";
import { metricNames, type Target, targets } from "./targets.ts";

/** One JSON document for each client, in lines. */
export function jsonRows(result: CaseResult): string {
  return result.clients
    .map((each) => {
      const { cpuUs, rate, p50Us, p99Us } = medians(each);
      const row = {
        case: result.case.name,
        client: each.client,
        cpuUsPerRpc: rounded(cpuUs),
        rps: rounded(rate),
        p50Us: rounded(p50Us),
        p99Us: rounded(p99Us),
        cpuRatioToGrpcJs: rounded(medianRatio(result, each.client, "grpc-js-rr", "cpuUs")),
      };
      return `${JSON.stringify(row)}\n`;
    })
    .join("");
}

/** A table of the clients, and what has become of the targets. */
export function table(result: CaseResult): string {
  const { name, title, unit, answer } = result.case;
  const { payloadBytes } = answerSpecs[answer];
  const columns: [heading: string, cell: (of: ClientResult) => string][] = [
    ["client", ({ client }) => client],
    [`CPU µs/${unit}`, (of) => figure(medians(of).cpuUs)],
    [`${unit}/s`, (of) => figure(medians(of).rate)],
    ["p50 µs", (of) => figure(medians(of).p50Us)],
    ["p99 µs", (of) => figure(medians(of).p99Us)],
    ["CPU/grpc-js", ({ client }) => ratio(medianRatio(result, client, "grpc-js-rr", "cpuUs"))],
    ["CPU/connect-node-grpc", ({ client }) => ratio(medianRatio(result, client, "connect-node-grpc", "cpuUs"))],
  ];
  if (payloadBytes >= 2 ** 20)
    columns.splice(3, 0, ["MiB/s", (of) => figure((medians(of).rate * payloadBytes) / 2 ** 20)]);
  const cells = [
    columns.map(([heading]) => heading),
    ...result.clients.map((each) => columns.map(([, cell]) => cell(each))),
  ];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  return [`${name}: ${title}`, ...lines, ...absenceLines(result), ...targetLines(result), ""]
    .map((line) => `${line}\n`)
    .join("");
}

/** Who has no figures, and why. */
export function absenceLines({ absences }: CaseResult): string[] {
  return absences.map(({ reason }) => reason);
}

function targetLines(result: CaseResult): string[] {
  const lines: string[] = [];
  for (const target of targets) {
    if (target.case !== result.case.name) continue;
    const value = medianRatio(result, target.client, target.against, target.metric);
    if (value === undefined) continue; // one of them did not run
    const what = `${target.client} ${metricNames[target.metric]}: ${ratio(value)} × ${target.against}`;
    lines.push(`${what}, target ${limit(target)}: ${isMet(target, value) ? "met" : "missed"}`);
  }
  return lines;
}

function limit({ atMost, atLeast }: Target): string {
  return atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
}

function isMet({ atMost = Number.POSITIVE_INFINITY, atLeast = 0 }: Target, value: number): boolean {
  return value <= atMost && value >= atLeast;
}

function ratio(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(value < 9.95 ? 2 : 1);
}

function figure(value: number): string {
  return value < 9.95 ? value.toFixed(2) : value < 99.5 ? value.toFixed(1) : String(Math.round(value));
}

/** To a thousandth; `null` of nothing. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 1_000) / 1_000;
}
