import { parseArgs } from "node:util";

/** A mistake on the command line: the message names the option, and what it may be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The values of options that may each be given once, those of `flags` without a value. Throws a `UsageError`. */
export function parseOptions<Name extends string, Flag extends string>(
  args: readonly string[],
  names: readonly Name[],
  flags: readonly Flag[],
): Partial<Record<Name, string> & Record<Flag, boolean>> {
  try {
    return parseArgs({
      args: args[0] === "--" ? args.slice(1) : [...args], // some versions of pnpm pass their own "--" on
      options: Object.fromEntries([
        ...names.map((name) => [name, { type: "string" as const }]),
        ...flags.map((flag) => [flag, { type: "boolean" as const }]),
      ]),
    }).values as Partial<Record<Name, string> & Record<Flag, boolean>>;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Names with commas between them, in the order of `allowed`; none given: all of `usual`. */
export function listOption<Name extends string>(
  option: string,
  text: string | undefined,
  allowed: readonly Name[],
  usual: readonly Name[] = allowed,
): Name[] {
  if (text === undefined) return [...usual];
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !allowed.some((each) => each === name));
  if (wrong !== undefined) throw new UsageError(`--${option}: expected ${allowed.join(", ")}, got "${wrong}"`);
  return allowed.filter((name) => names.includes(name));
}

export function integerOption(option: string, text: string, min: number, max: number): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new UsageError(`--${option}: expected an integer from ${min} to ${max}, got "${text}"`);
}
