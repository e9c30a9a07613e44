import { expect, test } from "vitest";
import { type Stage, stageChange } from "./stages.ts";

const rules = (change: string, verb: string): string[] =>
  change.split("\n").flatMap((line) => (line.startsWith(`${verb} `) ? [line.slice(3)] : []));

test("each stage takes the rules of the last one away, and leaves one step", () => {
  const path: (Stage | undefined)[] = [undefined, "reset", "refuse", "swallow"];
  let standing: string[] = [];
  for (const [index, stage] of path.slice(1).entries()) {
    const change = stageChange("198.18.4.1", path[index], stage!);
    expect(change).toMatch(/^\*filter\n[^*]*\nCOMMIT\n$/);
    expect(rules(change, "-D")).toEqual(standing);
    standing = rules(change, "-A");
    expect(standing.length).toBeGreaterThan(0);
    for (const rule of standing) expect(rule).toMatch(/^(INPUT -d|OUTPUT -s) 198\.18\.4\.1 /);
  }
  expect(standing).toEqual(["INPUT -d 198.18.4.1 -j DROP", "OUTPUT -s 198.18.4.1 -j DROP"]);
});
