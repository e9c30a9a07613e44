import { parseArgs } from "node:util";

/** What the soak test is to do. */
export interface SoakOptions {
  readonly minutes: number;
  /** Decides what callers and chaos do, in which order; not how long it takes. */
  readonly seed: number;
  readonly json: boolean;
}

export const defaultOptions: SoakOptions = { minutes: 5, seed: 20_260, json: false };

export type Command = { readonly kind: "run"; readonly options: SoakOptions } | { readonly kind: "help" };

/** A mistake on the command line: the message names the option, and what it may be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const usage = `Usage: pnpm soak [options]

Sends RPCs of every kind and protocol to a pretend cluster whose pods are killed, frozen, stopped and replaced.

  --minutes N  how long, from 0.1 to 1440; fractions count (${defaultOptions.minutes})
  --seed N     an integer from 0 to ${2 ** 32 - 1} (${defaultOptions.seed})
  --json       print a JSON document, and nothing else
  --help       print this
`;

const allowed = "expected --minutes, --seed, --json or --help";

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { tokens } = parseArgs({
    args: args[0] === "--" ? args.slice(1) : [...args], // some versions of pnpm pass their own "--" on
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
    strict: false,
    tokens: true,
  });
  let options = defaultOptions;
  let help = false;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") throw new UsageError(`"${token.value}": ${allowed}`);
    switch (token.rawName) {
      case "--minutes":
        options = { ...options, minutes: numberIn("--minutes", token.value, 0.1, 1_440) };
        break;
      case "--seed":
        options = { ...options, seed: integerIn("--seed", token.value, 0, 2 ** 32 - 1) };
        break;
      case "--json":
      case "--help":
        if (token.value !== undefined)
          throw new UsageError(`${token.rawName}: expected no value, got "${token.value}"`);
        if (token.rawName === "--help") help = true;
        else options = { ...options, json: true };
        break;
      default:
        throw new UsageError(`${token.rawName}: there is no such option, ${allowed}`);
    }
  }
  return help ? { kind: "help" } : { kind: "run", options };
}

function integerIn(option: string, text: string | undefined, min: number, max: number): number {
  const value = parse(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`${option}: expected an integer from ${min} to ${max}, got ${quoted(text)}`);
}

function numberIn(option: string, text: string | undefined, min: number, max: number): number {
  const value = parse(text);
  if (value >= min && value <= max) return value;
  throw new UsageError(`${option}: expected a number from ${min} to ${max}, got ${quoted(text)}`);
}

function parse(text: string | undefined): number {
  return text === undefined || text.trim() === "" ? Number.NaN : Number(text);
}

function quoted(text: string | undefined): string {
  return text === undefined ? "nothing" : `"${text}"`;
}
