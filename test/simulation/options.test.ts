import { describe, expect, test } from "vitest";
import { UsageError } from "../bench/command-line.ts";
import { parseCommand, usage } from "./options.ts";
import { scenarios } from "./scenarios.ts";

function run(...args: string[]) {
  const command = parseCommand(args);
  if (command.kind !== "run") throw new Error("it only helps");
  return {
    ...command,
    scenarios: command.scenarios.map(({ name }) => name),
    rows: command.rows?.map(({ name }) => name),
  };
}

describe("parseCommand", () => {
  test("without options: every scenario, with its own policies", () => {
    const { scenarios: chosen, rows, seed, format } = run();
    expect(chosen).toEqual(scenarios.map(({ name }) => name));
    expect({ rows, seed, format }).toEqual({ rows: undefined, seed: 1, format: "text" });
  });

  test("--scenario and --policy choose, policies with what is put around them", () => {
    expect(
      run("--scenario", "slow-pod,uniform", "--policy", "round-robin,least-request+slow-start+retry"),
    ).toMatchObject({ scenarios: ["uniform", "slow-pod"], rows: ["round-robin", "least-request+slow-start+retry"] });
  });

  test("--seconds, --seed, --json and --markdown", () => {
    expect(run("--seconds", "5", "--seed", "7", "--json")).toMatchObject({ seconds: 5, seed: 7, format: "json" });
    expect(run("--markdown").format).toBe("markdown");
  });

  test("--help names every option", () => {
    expect(parseCommand(["--", "--help"])).toEqual({ kind: "help" });
    for (const option of ["scenario", "policy", "seconds", "seed", "json", "markdown"]) {
      expect(usage).toContain(`--${option}`);
    }
  });

  test.each([
    { args: ["--scenario", "slow"], message: "uniform, heavy-tail" },
    { args: ["--policy", "fastest"], message: 'got "fastest"' },
    { args: ["--policy", "round-robin+luck"], message: 'behind "+", got "luck"' },
    { args: ["--seconds", "0"], message: '--seconds: expected an integer from 1 to 3600, got "0"' },
    { args: ["--seed", "-"], message: "--seed: expected an integer" },
    { args: ["--json", "--markdown"], message: "--markdown: leave it out with --json" },
    { args: ["--fast"], message: "--fast" },
  ])("$args is a mistake", ({ args, message }) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });

  test("every policy that a scenario names is one", () => {
    for (const { rows } of scenarios) {
      for (const name of rows) expect(run("--policy", name).rows).toEqual([name]);
    }
  });
});
