import { parseCommand, type SoakOptions, UsageError, usage } from "./options.ts";
import { reportOf } from "./report.ts";
import { soak } from "./soak.ts";

const stop = new AbortController();

/** Ends the load with its pods, and then the process with `exitCode`. */
function stopWith(exitCode: number): void {
  process.exitCode = exitCode;
  stop.abort();
}

// the second signal of a kind ends the process at once; exit codes as shells expect them
process.once("SIGINT", () => stopWith(130));
process.once("SIGTERM", () => stopWith(143));

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === "help") process.stdout.write(usage);
  else await run(command.options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nTry --help.\n`);
  process.exitCode = 2;
}

async function run(options: SoakOptions): Promise<void> {
  const { gc } = globalThis;
  if (gc === undefined) throw new UsageError("node: expected --expose-gc, so that the heap can be measured");
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(`soak: ${options.minutes} minutes, seed ${options.seed}`);
  const result = await soak(options, gc, say, stop.signal);
  const text = options.json ? `${JSON.stringify(result, null, 2)}\n` : reportOf(result);
  const exitCode = process.exitCode ?? (result.ok ? 0 : 1);
  // what was left open is in the result, and must not keep the process
  process.stdout.write(text, () => process.exit(exitCode));
}
