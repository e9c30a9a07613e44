import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { canLag, findPrograms, thisMachine } from "./machine.ts";
import { run } from "./run.ts";

vi.setConfig({ testTimeout: 30_000 });
const poll = { timeout: 10_000 };

const support = await canLag();
const trial = [process.execPath, new URL("../../fixtures/trial.ts", import.meta.url).pathname] as const;

/** What a process has left on the machine, of a namespace and its devices. */
async function leftBy({ pid }: ChildProcess): Promise<string[]> {
  const names = await run("ip", ["netns", "list"]);
  const devices = await run("ip", ["-o", "link", "show", "type", "veth"]);
  return `${names}\n${devices}`.split("\n").filter((line) => line.includes(`evenkeel-${pid}-`));
}

const cannot = support.ok ? "" : ` (skipped: ${support.reason})`;

describe.skipIf(!support.ok)(`the trial of canLag${cannot}`, () => {
  test.for([
    ["that a killed process began", "ip", '[ "$1 $2" = "netns add" ] && mark && sleep 0.3; exec "$real" "$@"'],
    ["that a killed process filled", "iptables-restore", "mark; exec sleep 60"],
  ] as const)("leaves nothing %s", async ([, program, script]) => {
    const folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "pid");
    const { ip } = await findPrograms(thisMachine());
    const prologue = `#!/bin/sh\nreal='${ip}'\nmark() { echo $$ >'${file}'; }\n`;
    await writeFile(join(folder, program), `${prologue}${script}\n`, { mode: 0o755 });
    const [node, ...args] = trial;
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
    const child = spawn(node, args, { stdio: "ignore", env });
    const closed = once(child, "close");
    await expect.poll(() => readFile(file, "utf8").catch(() => ""), poll).toMatch(/\n/);
    child.kill("SIGKILL");
    await closed;
    const pid = Number(await readFile(file, "utf8"));
    await expect.poll(() => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""), poll).toBe("");
    await expect.poll(() => leftBy(child), poll).toEqual([]);
  });

  // a namespace stands for the machine: it has devices and rules of its own, too
  test.for([
    ["ACCEPT", { ok: true }],
    ["DROP", { ok: false, reason: expect.stringMatching(/^a dial to 198\.1[\d.:]+ .* heard nothing .* firewall /) }],
  ] as const)("on a machine that by default does %s what comes in", async ([policy, outcome]) => {
    const machine = `machine-${process.pid}-${policy}`;
    await run("ip", ["netns", "add", machine]);
    onTestFinished(async () => void (await run("ip", ["netns", "delete", machine])));
    const rules = `*filter\n:INPUT ${policy} [0:0]\nCOMMIT\n`;
    await run("ip", ["netns", "exec", machine, "iptables-restore"], rules);
    const child = spawn("ip", ["netns", "exec", machine, ...trial], { stdio: ["ignore", "pipe", "inherit"] });
    expect(JSON.parse(await text(child.stdout))).toEqual(outcome);
    expect(await leftBy(child)).toEqual([]);
  });
});
