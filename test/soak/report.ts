import { verdicts } from "./judge.ts";
import type { SoakResult } from "./soak.ts";

const mib = 1_024 * 1_024;

/** The result, for people. */
export function reportOf(result: SoakResult): string {
  const { calls, chaos, wire, samples, broken, latest, longestTurnMs, charges, elapsedMs, seed } = result;
  const columns = [...verdicts, "overdue"] as const;
  const { unsent, unprocessed, ambiguous, answered } = wire.attempts;
  const blocks: readonly (readonly string[])[] = [
    [`soak: seed ${seed}, ${(elapsedMs / 1_000).toFixed(0)} s, ${charges} charges`],
    table([
      ["", ...columns],
      ...Object.entries(calls).map(([kind, row]) => [kind, ...columns.map((name) => row[name])]),
    ]),
    [
      `pods: ${Object.entries(chaos)
        .map(([name, count]) => `${count} ${spaced(name)}`)
        .join(", ")}`,
      `attempts by fate: ${answered} answered, ${ambiguous} ambiguous (aborted ones too), ${unprocessed} unprocessed, ${unsent} unsent`,
      `connections: ${wire.connectionsReady} ready, ${wire.goaways} GOAWAYs, ${wire.connectionsLost} lost`,
      `latest end of a call: ${latest.ms.toFixed(0)} ms after its abort or deadline (${latest.call})`,
      `longest turn of the event loop: ${longestTurnMs.toFixed(0)} ms`,
    ],
    table([
      ["quiet at", "heap MiB", "buffers MiB", "sockets", "timers"],
      ...samples.map(({ atMs, heapBytes, bufferBytes, sockets, timers }) => [
        `${(atMs / 1_000).toFixed(0)} s`,
        (heapBytes / mib).toFixed(2),
        (bufferBytes / mib).toFixed(2),
        sockets,
        timers,
      ]),
    ]),
    broken.length === 0
      ? ["→ every promise was kept"]
      : [
          "→ broken promises:",
          ...broken.map(
            ({ count, example, firstAtMs }) =>
              `  ${count} × ${example} (first after ${(firstAtMs / 1_000).toFixed(1)} s)`,
          ),
        ],
  ];
  return `${blocks.map((block) => block.join("\n")).join("\n\n")}\n`;
}

function table(rows: readonly (readonly (string | number)[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  return rows.map((row) => row.map((cell, column) => String(cell).padStart(widths[column] ?? 0)).join("  "));
}

function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
