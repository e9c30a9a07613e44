import { cpus } from "node:os";
import { UsageError } from "./command-line.ts";
import { sliceJson, sliceTable } from "./kubernetes/report.ts";
import { runSliceCase } from "./kubernetes/run-slices.ts";
import { parseCommand, usage } from "./options.ts";
import { runPickCase } from "./pick/run.ts";
import { absenceLines, jsonRows, table } from "./report.ts";
import { runCase } from "./run-case.ts";
import { runServerCase } from "./server-cost/run.ts";

// children end with this process; exit codes as shells expect them
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
process.stdout.on("error", () => process.exit(1)); // nobody reads any more

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === "help") {
    process.stdout.write(usage);
  } else {
    const { json } = command;
    if (!json) process.stdout.write(`${cpus()[0]?.model.trim()} × ${cpus().length}, Node ${process.version}\n\n`);
    for (const each of command.cases) {
      const result = await runCase(each, command.clients ?? each.clients, command.rounds ?? each.rounds);
      process.stdout.write(json ? jsonRows(result) : table(result));
      if (json) for (const line of absenceLines(result)) process.stderr.write(`${each.name}: ${line}\n`);
      if (result.absences.some(({ kind }) => kind === "failed")) process.exitCode = 1;
    }
    for (const name of command.serverCases) await runServerCase(name, command.rounds, json);
    for (const each of command.sliceCases) {
      const result = await runSliceCase(each, command.rounds ?? each.rounds);
      process.stdout.write(json ? sliceJson(result) : sliceTable(result));
    }
    if (command.pick) await runPickCase(command.rounds, json);
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nTry --help.\n`);
  process.exitCode = 2;
}
