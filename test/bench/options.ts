import { type Case, cases } from "./cases.ts";
import { type ClientName, clientNames } from "./clients/table.ts";
import { integerOption, listOption, parseOptions, UsageError } from "./command-line.ts";
import { pluginRounds, type ServerCaseName, serverCaseNames } from "./server-cost/cases.ts";

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: "run";
      readonly cases: readonly Case[];
      readonly clients: readonly ClientName[];
      /** Cases that measure servers, after the others. */
      readonly serverCases: readonly ServerCaseName[];
      /** `undefined`: as many as the case says. */
      readonly rounds: number | undefined;
      readonly json: boolean;
    }
  | { readonly kind: "help" };

const caseNames = cases.map(({ name }) => name);

export const usage = `Usage: pnpm bench [options]

Measures clients of five endpoints against each other, in interleaved rounds, and what a lifecycle costs a server.

  --case NAME     only this case: ${[...caseNames, ...serverCaseNames].join(", ")}
  --clients A,B   only these clients, and no server: ${clientNames.join(", ")}
  --rounds N      rounds of each case but idle-connections (${[...new Set(cases.map(({ rounds }) => rounds)), pluginRounds].join(" or ")})
  --json          print one JSON document for each case and client, and nothing else
  --help          print this
`;

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { json, help, rounds, ...lists } = parseOptions(args, ["case", "clients", "rounds"], ["json", "help"]);
  if (help === true) return { kind: "help" };
  const chosen = listOption("case", lists.case, [...caseNames, ...serverCaseNames]);
  const chosenServers = serverCaseNames.filter((name) => chosen.includes(name));
  if (lists.case !== undefined && lists.clients !== undefined && chosenServers.length > 0) {
    throw new UsageError(`--clients: leave it out with ${chosenServers.join(", ")}, which measures servers`);
  }
  return {
    kind: "run",
    cases: cases.filter(({ name }) => chosen.includes(name)),
    clients: listOption("clients", lists.clients, clientNames),
    serverCases: lists.clients === undefined ? chosenServers : [],
    rounds: rounds === undefined ? undefined : integerOption("rounds", rounds, 1, 1_000),
    json: json === true,
  };
}
