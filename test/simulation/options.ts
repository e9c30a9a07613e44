import { integerOption, listOption, parseOptions, UsageError } from "../bench/command-line.ts";
import { modifierNames, parseRow, policyNames, type Row } from "./row.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: "run";
      readonly scenarios: readonly Scenario[];
      /** `undefined`: those that the scenario names. */
      readonly rows: readonly Row[] | undefined;
      readonly seconds: number;
      readonly seed: number;
      readonly format: "text" | "json" | "markdown";
    }
  | { readonly kind: "help" };

const scenarioNames = scenarios.map(({ name }) => name);
const defaultSeconds = 60;
const defaultSeed = 1;

export const usage = `Usage: pnpm simulate [options]

Sends RPCs through policies to simulated pods, for minutes of virtual time.

  --scenario A,B  only these: ${scenarioNames.join(", ")}
  --policy A,B    these instead of each scenario's own: ${policyNames.join(", ")};
                  with "+" behind them: ${modifierNames.join(", ")}
                  (round-robin+slow-start+retry)
  --seconds N     of virtual time for each row, from 1 to 3600 (${defaultSeconds})
  --seed N        an integer from 0 to 1000000 (${defaultSeed})
  --json          print one JSON document for each scenario and policy, and nothing else
  --markdown      print the tables of the README
  --help          print this
`;

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { scenario, policy, seconds, seed, json, markdown, help } = parseOptions(
    args,
    ["scenario", "policy", "seconds", "seed"],
    ["json", "markdown", "help"],
  );
  if (help === true) return { kind: "help" };
  if (json === true && markdown === true) throw new UsageError("--markdown: leave it out with --json");
  const chosen = listOption("scenario", scenario, scenarioNames);
  return {
    kind: "run",
    scenarios: scenarios.filter(({ name }) => chosen.includes(name)),
    rows: policy?.split(",").map((name) => parseRow(name.trim())),
    seconds: seconds === undefined ? defaultSeconds : integerOption("seconds", seconds, 1, 3_600),
    seed: seed === undefined ? defaultSeed : integerOption("seed", seed, 0, 1_000_000),
    format: json === true ? "json" : markdown === true ? "markdown" : "text",
  };
}
