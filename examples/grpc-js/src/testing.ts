import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

// What the tests of the examples have in common.

/** Runs the start script of an example, as pnpm would: the lines it writes, without their counts. */
export async function outputOfStart(folder: string): Promise<readonly string[]> {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const path = [join(folder, "../../node_modules/.bin"), process.env["PATH"]].join(delimiter);
  const options = { cwd: folder, env: { ...process.env, PATH: path }, timeout: 60_000 };
  const { stdout } = await promisify(execFile)("sh", ["-c", scripts.start], options);
  return stdout
    .trim()
    .replaceAll(/ \d+(?=,|$)/gm, "")
    .split("\n");
}

/**
 * What the diffs in the README of an example say of its sources, and is not so: lines that are to be there after the
 * change, in their order, and lines that are to be gone. A diff names its file behind its fence.
 */
export function untrueLines(folder: string): readonly string[] {
  const diffs = [...readFileSync(join(folder, "README.md"), "utf8").matchAll(/^```diff (\S+)\n(.*?)^```$/gms)];
  if (diffs.length === 0) return ["no diff"];
  return diffs.flatMap(([, file = "", diff = ""]) => {
    const source = readFileSync(join(folder, file), "utf8").split("\n");
    let at = 0;
    return diff.split("\n").filter((line) => {
      const text = line.slice(1);
      if (text.trim() === "") return false;
      if (line.startsWith("-")) return source.includes(text);
      const found = source.indexOf(text, at);
      if (found >= 0) at = found + 1;
      return found < 0;
    });
  });
}
