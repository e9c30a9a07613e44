import { parseArgs } from "node:util";

export const scenarioNames = ["scale", "kill", "rolling", "freeze"] as const;
/** What `all` stands for. */
export const allScenarios = ["scale", "kill", "rolling"] as const satisfies readonly ScenarioName[];
/** `grpc-js` is gRPC with the client and the servers of @grpc/grpc-js. */
export const protocols = ["connect", "grpc", "grpc-web", "grpc-js"] as const;
export const methods = ["ping", "charge"] as const;
export const policyNames = [
  "round-robin",
  "least-request",
  "peak-ewma",
  "shortest-expected-delay",
  "never-queue",
  "random",
  "weighted-round-robin",
] as const;
export const resolverNames = ["kubernetes", "cluster", "dns"] as const;
export const networkNames = ["loopback", "lagging"] as const;
export const clientNames = ["evenkeel", "connect-node", "grpc-js"] as const;

export type ScenarioName = (typeof scenarioNames)[number];
export type Protocol = (typeof protocols)[number];
export type Method = (typeof methods)[number];
export type PolicyName = (typeof policyNames)[number];
export type ResolverName = (typeof resolverNames)[number];
export type NetworkName = (typeof networkNames)[number];
export type ClientName = (typeof clientNames)[number];

/** What `runDemo` is to do. */
export interface DemoOptions {
  readonly scenario: ScenarioName | "all";
  readonly client: ClientName;
  readonly protocol: Protocol;
  readonly method: Method;
  /** `undefined`: what the scenario says. */
  readonly policy: PolicyName | undefined;
  readonly resolver: ResolverName;
  readonly network: NetworkName;
  /** RPCs offered each second, whatever becomes of them; 0: `callers` send one RPC after another. */
  readonly rate: number;
  /** How long the load lasts at least, where `rate` is not 0. */
  readonly seconds: number;
  /** `undefined`: what the scenario says. */
  readonly callers: number | undefined;
  /** `callers` times this many RPCs are sent at least, where `rate` is 0. */
  readonly rpcsPerCaller: number;
  /** How long a pod takes to answer. */
  readonly delayMs: number;
}

/** What one run is to do. */
export interface RunOptions extends DemoOptions {
  readonly policy: PolicyName;
}

export const defaultOptions: DemoOptions = {
  scenario: "all",
  client: "evenkeel",
  protocol: "connect",
  method: "charge",
  policy: undefined,
  resolver: "kubernetes",
  network: "loopback",
  rate: 500,
  seconds: 12,
  callers: undefined,
  rpcsPerCaller: 300,
  delayMs: 10,
};

/** What the command line asks for. */
export type Command =
  | { readonly kind: "run"; readonly options: DemoOptions; readonly json: boolean }
  | { readonly kind: "help" };

/** A mistake on the command line: the message names the option, and what it may be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Choice = readonly [string, ...string[]];
interface Range {
  readonly min: number;
  readonly max: number;
  readonly integer: boolean;
}

const choices: Readonly<Record<string, Choice>> = {
  scenario: [...scenarioNames, "all"],
  client: clientNames,
  protocol: protocols,
  method: methods,
  policy: policyNames,
  resolver: resolverNames,
  network: networkNames,
};

const ranges: Readonly<Record<string, Range>> = {
  rate: { min: 0, max: 100_000, integer: false },
  seconds: { min: 1, max: 3_600, integer: false },
  callers: { min: 1, max: 10_000, integer: true },
  "rpcs-per-caller": { min: 1, max: 1_000_000, integer: true },
  "delay-ms": { min: 0, max: 60_000, integer: true },
};

const flags = ["json", "help"];
const names = [...Object.keys(choices), ...Object.keys(ranges), ...flags];

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const { tokens } = parseArgs({
    args: args[0] === "--" ? args.slice(1) : [...args], // some versions of pnpm pass their own "--" on
    options: Object.fromEntries(names.map((name) => [name, { type: flags.includes(name) ? "boolean" : "string" }])),
    strict: false,
    tokens: true,
  });
  const given: Record<string, string | number | true> = {};
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") throw new UsageError(`"${token.value}": expected only options, ${allowedNames()}`);
    given[camelCase(token.name)] = checkedValue(token.name, token.rawName, token.value);
  }
  const { json = false, help = false, ...options } = given;
  if (help === true) return { kind: "help" };
  return { kind: "run", json: json === true, options: { ...defaultOptions, ...options } };
}

/** Throws a `UsageError` for options that do not go together. */
export function checkCombination({ client, protocol, resolver }: DemoOptions): void {
  if (client === "connect-node" && protocol === "grpc-js") {
    throw new UsageError("--client connect-node: expected another --protocol than grpc-js, or --client grpc-js");
  }
  if (client === "grpc-js" && protocol !== "grpc-js") {
    throw new UsageError(`--client grpc-js: expected --protocol grpc-js, got "${protocol}"`);
  }
  if (client === "evenkeel" && protocol === "grpc-js" && resolver === "cluster") {
    throw new UsageError(
      "--protocol grpc-js: expected --resolver kubernetes or dns, which targets can name, not cluster",
    );
  }
}

function checkedValue(name: string, rawName: string, text: string | undefined): string | number | true {
  if (!names.includes(name) || !rawName.startsWith("--")) {
    throw new UsageError(`${rawName}: there is no such option, expected ${allowedNames()}`);
  }
  if (flags.includes(name)) {
    if (text !== undefined) throw new UsageError(`--${name}: expected no value, got "${text}"`);
    return true;
  }
  const got = text === undefined ? "nothing" : `"${text}"`;
  const choice = choices[name];
  if (choice !== undefined) {
    if (text !== undefined && choice.includes(text)) return text;
    throw new UsageError(`--${name}: expected ${listed(choice)}, got ${got}`);
  }
  const { min, max, integer } = ranges[name] as Range;
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  if (value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
  throw new UsageError(`--${name}: expected ${integer ? "an integer" : "a number"} from ${min} to ${max}, got ${got}`);
}

function allowedNames(): string {
  return listed(names.map((name) => `--${name}`));
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function camelCase(name: string): string {
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
