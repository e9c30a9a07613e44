import { type Case, cases } from "./cases.ts";
import { type ClientName, clientNames } from "./clients/table.ts";
import { integerOption, listOption, parseOptions, UsageError } from "./command-line.ts";
import { type SliceCase, sliceCases } from "./kubernetes/cases.ts";
import { pickRounds } from "./pick/cases.ts";
import { pluginRounds, type ServerCaseName, serverCaseNames } from "./server-cost/cases.ts";

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: "run";
      readonly cases: readonly Case[];
      /** `undefined`: those of each case. */
      readonly clients: readonly ClientName[] | undefined;
      /** Cases that measure servers, after the others. */
      readonly serverCases: readonly ServerCaseName[];
      /** Cases that measure the watch of EndpointSlices, after those. */
      readonly sliceCases: readonly SliceCase[];
      /** Whether to measure picks, after those. */
      readonly pick: boolean;
      /** `undefined`: as many as the case says. */
      readonly rounds: number | undefined;
      readonly json: boolean;
    }
  | { readonly kind: "help" };

const caseNames = cases.map(({ name }) => name);
const sliceCaseNames = sliceCases.map(({ name }) => name);
const pickCaseName = "pick";
/** Those that measure no clients against each other. */
const otherCaseNames = [...serverCaseNames, ...sliceCaseNames, pickCaseName];

export const usage = `Usage: pnpm bench [options]

Measures clients of five endpoints against each other, in interleaved rounds, what a lifecycle costs a server, how soon
a client learns of EndpointSlices, and what a pick costs.

  --case NAME     only this case: ${[...caseNames, ...otherCaseNames].join(", ")}
  --clients A,B   only these clients, and nothing else: ${clientNames.join(", ")}
  --rounds N      rounds of each case but idle-connections (${[...new Set(cases.map(({ rounds }) => rounds)), pickRounds, pluginRounds].join(" or ")})
  --json          print one JSON document for each case and client, and nothing else
  --help          print this
`;

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { json, help, rounds, ...lists } = parseOptions(args, ["case", "clients", "rounds"], ["json", "help"]);
  if (help === true) return { kind: "help" };
  const chosen = listOption("case", lists.case, [...caseNames, ...otherCaseNames]);
  const others = otherCaseNames.filter((name) => chosen.includes(name));
  if (lists.case !== undefined && lists.clients !== undefined && others.length > 0) {
    throw new UsageError(`--clients: leave it out with ${others.join(", ")}, which has no clients to choose from`);
  }
  const wantsOthers = lists.clients === undefined;
  return {
    kind: "run",
    cases: cases.filter(({ name }) => chosen.includes(name)),
    clients: lists.clients === undefined ? undefined : listOption("clients", lists.clients, clientNames),
    serverCases: wantsOthers ? serverCaseNames.filter((name) => chosen.includes(name)) : [],
    sliceCases: wantsOthers ? sliceCases.filter(({ name }) => chosen.includes(name)) : [],
    pick: wantsOthers && chosen.includes(pickCaseName),
    rounds: rounds === undefined ? undefined : integerOption("rounds", rounds, 1, 1_000),
    json: json === true,
  };
}
