import { execFile } from "node:child_process";

const timeoutMs = 10_000;

/**
 * Runs a program to its end and returns what it wrote to stdout. Rejects with an `Error` that tells the command and what
 * it wrote to stderr, when it fails, cannot be run, or takes longer than 10 s.
 */
export function run(program: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[program, ...args].join(" ")}: ${stderr.trim() || error.message}`, { cause: error }));
    });
    child.stdin?.on("error", () => {}); // it ended without reading: its exit code tells
    child.stdin?.end(input);
  });
}
