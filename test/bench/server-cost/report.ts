import { median, quantile } from "../statistics.ts";
import { pluginTarget, type Variant } from "./cases.ts";
import type { IdleResult } from "./run-idle.ts";
import type { PluginResult } from "./run-plugin.ts";

/** One variant of a server against the bare one. */
interface PluginRow {
  readonly server: string;
  readonly variant: Variant;
  readonly cpuUs: number;
  /** The median and the quartiles of the differences of each round; `undefined` of the bare one. */
  readonly added: { readonly medianUs: number; readonly q1Us: number; readonly q3Us: number } | undefined;
}

function pluginRows({ case: { server, variants }, rounds }: PluginResult): readonly PluginRow[] {
  const bare = rounds.get("bare") ?? [];
  return variants.map((variant) => {
    const own = rounds.get(variant) ?? [];
    const differences = own.map((cpuUs, round) => cpuUs - (bare[round] ?? Number.NaN)).sort((a, b) => a - b);
    const added = {
      medianUs: median(differences),
      q1Us: quantile(differences, 0.25),
      q3Us: quantile(differences, 0.75),
    };
    return { server, variant, cpuUs: median(own), added: variant === "bare" ? undefined : added };
  });
}

/** One JSON document for each variant, in lines. */
export function pluginJson(result: PluginResult): string {
  return pluginRows(result)
    .map(({ server, variant, cpuUs, added }) => {
      const row = {
        case: "server-plugin",
        server,
        variant,
        cpuUsPerRpc: rounded(cpuUs),
        addedUsPerRpc: added === undefined ? null : rounded(added.medianUs),
        addedQuartilesUs: added === undefined ? null : [rounded(added.q1Us), rounded(added.q3Us)],
      };
      return `${JSON.stringify(row)}\n`;
    })
    .join("");
}

/** A table of all servers, and what has become of the target. */
export function pluginTable(results: readonly PluginResult[]): string {
  const rows = results.flatMap(pluginRows);
  const cells = rows.map(({ server, variant, cpuUs, added }) => [
    server,
    variant,
    cpuUs.toFixed(1),
    added === undefined ? "–" : added.medianUs.toFixed(1),
    added === undefined ? "–" : `${added.q1Us.toFixed(1)} to ${added.q3Us.toFixed(1)}`,
  ]);
  const { server, variant, atMostUs } = pluginTarget;
  const judged = rows.find((row) => row.server === server && row.variant === variant)?.added?.medianUs;
  const verdict =
    judged === undefined
      ? []
      : [
          `${server} ${variant} adds ${judged.toFixed(1)} µs, target ≤ ${atMostUs}: ${judged <= atMostUs ? "met" : "missed"}`,
        ];
  const title = "server-plugin: CPU of a server for each small unary RPC, 64 at a time, with a lifecycle and without";
  const lines = table(["server", "variant", "CPU µs/RPC", "added µs", "quartiles"], cells);
  return block([title, ...lines, ...verdict]);
}

/** A JSON document of one line. */
export function idleJson(result: IdleResult): string {
  const row = {
    case: "idle-connections",
    variant: result.variant,
    connections: result.connections,
    rssBytesPerConnection: Math.round(result.rssBytesPerConnection),
    heapBytesPerConnection: Math.round(result.heapBytesPerConnection),
    idleMs: result.idleMs,
    idleCpuMs: rounded(result.idleCpuMs),
  };
  return `${JSON.stringify(row)}\n`;
}

export function idleTable(results: readonly IdleResult[]): string {
  const [first] = results;
  if (first === undefined) return "";
  const cells = results.map(({ variant, rssBytesPerConnection, heapBytesPerConnection, idleCpuMs }) => [
    variant,
    "",
    rssBytesPerConnection.toFixed(0),
    heapBytesPerConnection.toFixed(0),
    idleCpuMs.toFixed(1),
  ]);
  const headings = ["variant", "", "RSS bytes each", "heap bytes each", `CPU ms in ${first.idleMs / 1_000} s`];
  return block([`idle-connections: ${first.connections} idle h2c connections`, ...table(headings, cells)]);
}

/** The first two columns are names. */
function table(headings: readonly string[], cells: readonly (readonly string[])[]): readonly string[] {
  const rows = [headings, ...cells];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const format = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .filter((_, column) => widths[column] !== 0)
      .join("  ");
  return rows.map(format);
}

function block(lines: readonly string[]): string {
  return [...lines, ""].map((line) => `${line}\n`).join("");
}

/** To a thousandth. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
