import { parseArgs } from "node:util";
import { type Case, cases } from "./cases.ts";
import { type ClientName, clientNames } from "./clients/table.ts";

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: "run";
      readonly cases: readonly Case[];
      readonly clients: readonly ClientName[];
      /** `undefined`: as many as the case says. */
      readonly rounds: number | undefined;
      readonly json: boolean;
    }
  | { readonly kind: "help" };

/** A mistake on the command line: the message names the option, and what it may be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const caseNames = cases.map(({ name }) => name);

export const usage = `Usage: pnpm bench [options]

Measures clients of five endpoints against each other, in interleaved rounds.

  --case NAME     only this case: ${caseNames.join(", ")}
  --clients A,B   only these clients: ${clientNames.join(", ")}
  --rounds N      rounds of each case (${[...new Set(cases.map(({ rounds }) => rounds))].join(" or ")})
  --json          print one JSON document for each case and client, and nothing else
  --help          print this
`;

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { json, help, rounds, ...lists } = parse(args[0] === "--" ? args.slice(1) : [...args]);
  if (help === true) return { kind: "help" };
  const chosen = listOption("case", lists.case, caseNames);
  return {
    kind: "run",
    cases: cases.filter(({ name }) => chosen.includes(name)),
    clients: listOption("clients", lists.clients, clientNames),
    rounds: rounds === undefined ? undefined : roundsOption(rounds),
    json: json === true,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args, // without the "--" that some versions of pnpm pass on
      options: {
        case: { type: "string" },
        clients: { type: "string" },
        rounds: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Names with commas between them, in the order of `allowed`; none given: all. */
function listOption<Name extends string>(option: string, text: string | undefined, allowed: readonly Name[]): Name[] {
  if (text === undefined) return [...allowed];
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !allowed.some((each) => each === name));
  if (wrong !== undefined) throw new UsageError(`--${option}: expected ${allowed.join(", ")}, got "${wrong}"`);
  return allowed.filter((name) => names.includes(name));
}

const maxRounds = 1_000;

function roundsOption(text: string): number {
  const rounds = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= maxRounds) return rounds;
  throw new UsageError(`--rounds: expected an integer from 1 to ${maxRounds}, got "${text}"`);
}
