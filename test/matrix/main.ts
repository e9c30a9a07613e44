import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../bench/command-line.ts";
import { setupsOf } from "./cells.ts";
import { parseCommand, usage } from "./options.ts";
import { formatCell, formatReport, jsonRow } from "./report.ts";
import type { CellResult } from "./result.ts";
import { runCells } from "./run-cells.ts";
import { findingsOf } from "./verdict.ts";

// children end with this process; exit codes as shells expect them
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
process.stdout.on("error", () => process.exit(1)); // nobody reads any more

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === "help") process.stdout.write(usage);
  else await run(command);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nTry --help.\n`);
  process.exitCode = 2;
}

async function run({ choice, rpcs, json }: Extract<ReturnType<typeof parseCommand>, { kind: "run" }>): Promise<void> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "evenkeel-matrix-"));
  process.on("exit", () => rmSync(folder, { recursive: true }));
  // pods start while others serve: what they do not have to compile leaves these alone
  process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled");
  const results: CellResult[] = [];
  if (!json) process.stdout.write(`${cpus()[0]?.model.trim()} × ${cpus().length}, Node ${process.version}\n\n`);
  for (const [setup, cells] of setupsOf(choice)) {
    await runCells(setup, cells, rpcs, folder, (result) => {
      if (!json) process.stdout.write(formatCell(result));
      if ("reason" in result || result.remarks.length > 0) {
        if (json) process.stderr.write(formatCell(result));
        process.exitCode = 1;
      }
      if ("reason" in result) return;
      if (json) process.stdout.write(jsonRow(result));
      results.push(result);
    });
  }
  const findings = findingsOf(results);
  if (findings.some(({ outcome, decides }) => decides && outcome === "missed")) process.exitCode = 1;
  if (json) return;
  process.stdout.write(formatReport(results, findings));
  process.stdout.write(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
}
