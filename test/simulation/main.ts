import { UsageError } from "../bench/command-line.ts";
import { parseCommand, usage } from "./options.ts";
import { jsonRow, markdownTable, textTable } from "./report.ts";
import { parseRow } from "./row.ts";
import { simulate } from "./simulate.ts";

process.stdout.on("error", () => process.exit(1)); // nobody reads any more

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === "help") {
    process.stdout.write(usage);
  } else {
    const { seconds, seed, format } = command;
    for (const scenario of command.scenarios) {
      const rows = command.rows ?? scenario.rows.map(parseRow);
      const results = rows.map((row) => ({ row, figures: simulate(scenario, row, seconds, seed) }));
      if (format === "json") for (const result of results) process.stdout.write(jsonRow(scenario, result));
      else process.stdout.write((format === "markdown" ? markdownTable : textTable)(scenario, results));
    }
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nTry --help.\n`);
  process.exitCode = 2;
}
