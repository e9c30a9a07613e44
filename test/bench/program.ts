import type { Failed, Reply } from "./messages.ts";

/** What the program was started with. */
export function jobOfProgram<Job>(): Job {
  return JSON.parse(process.argv[2] ?? "null") as Job;
}

/** Tells the process that started this one. */
export function tell(message: Reply): void {
  process.send?.(message);
}

/** Runs a child program: it ends with the process that started it, and tells why when it fails. */
export async function runProgram(start: () => Promise<void>): Promise<void> {
  process.on("disconnect", () => process.exit());
  process.on("SIGINT", () => {}); // of the terminal, for the whole group: the parent ends its children
  process.on("uncaughtException", fail);
  try {
    await start();
  } catch (error) {
    fail(error);
  }
}

/** Tells why, and ends the program. */
export function fail(error: unknown): void {
  const reason = describe(error);
  process.exitCode = 1;
  process.send?.({ kind: "failed", reason } satisfies Failed, () => process.exit());
}

/** What it is, and where it comes from. */
function describe(error: unknown): string {
  const frame = error instanceof Error ? error.stack?.split("\n").find((line) => /^\s+at /.test(line)) : undefined;
  return frame === undefined ? String(error) : `${error}\n${frame}`;
}
