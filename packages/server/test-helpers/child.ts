import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Program {
  /** What it has printed so far. */
  readonly lines: readonly string[];
  /** Its code and its signal. */
  readonly exit: Promise<unknown[]>;
}

/** Runs one of `programs/` in a process of its own, which does not outlive the test. */
export function runProgram(name: string, atEnd: (end: () => void) => void, ...args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  atEnd(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
  return { lines, exit: once(child, "exit") };
}
