import type { Display } from "./display/display.ts";
import { liveDisplay } from "./display/live.ts";
import { plainDisplay } from "./display/plain.ts";
import { silent } from "./display/silent.ts";
import { parseCommand, UsageError } from "./options.ts";
import type { DemoResult } from "./result.ts";
import { runDemo } from "./run.ts";
import { usage } from "./usage.ts";

const stop = new AbortController();

/** Ends the demo with its pods, and then the process with `exitCode`. */
function stopWith(exitCode: number): void {
  process.exitCode = exitCode;
  stop.abort();
}

// the second signal of a kind ends the process at once; exit codes as shells expect them
process.once("SIGINT", () => stopWith(130));
process.once("SIGTERM", () => stopWith(143));
process.stdout.on("error", () => stopWith(1)); // nobody reads any more

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === "help") process.stdout.write(usage);
  else {
    const display = command.json ? silent : displayFor(process.stdout);
    const result = await runDemo(command.options, { display, signal: stop.signal });
    if (command.json) process.stdout.write(`${toJson(result)}\n`);
  }
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nTry --help.\n`);
    process.exitCode = 2;
  } else if (!stop.signal.aborted) {
    throw error;
  }
}

function displayFor(output: NodeJS.WriteStream): Display {
  if (output.isTTY && process.env["TERM"] !== "dumb") return liveDisplay(output);
  return plainDisplay((line) => output.write(`${line}\n`));
}

/** Times to a hundredth of a millisecond. */
function toJson(result: DemoResult): string {
  return JSON.stringify(result, (_, value) => (typeof value === "number" ? Math.round(value * 100) / 100 : value), 2);
}
