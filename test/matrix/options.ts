import { integerOption, listOption, parseOptions, UsageError } from "../bench/command-line.ts";
import { type Choice, clientNames, eventNames, retireNames, serverNames, setupsOf } from "./cells.ts";

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: "run";
      readonly choice: Choice;
      /** Of each cell, at least. */
      readonly rpcs: number;
      readonly json: boolean;
    }
  | { readonly kind: "help" };

const defaultRpcs = 5_000;
const usualEvents = ["max-age", "rolling"] as const;

export const usage = `Usage: pnpm matrix [options]

Retires connections and pods under load, with servers and clients of all kinds, and counts the RPCs that are lost.

  --rpcs N          RPCs of each cell, at least (${defaultRpcs})
  --servers A,B     only these servers: ${serverNames.join(", ")}
  --clients A,B     only these clients: ${clientNames.join(", ")}
  --event A,B       what happens meanwhile: ${eventNames.join(", ")} (${usualEvents.join(", ")})
  --retire A,B      how: ${retireNames.join(", ")} (both)
  --json            print one JSON document for each cell, and nothing else
  --help            print this
`;

/** Reads the arguments of the command line. Throws a `UsageError`. */
export function parseCommand(args: readonly string[]): Command {
  const options = parseOptions(args, ["rpcs", "servers", "clients", "event", "retire"], ["json", "help"]);
  if (options.help === true) return { kind: "help" };
  const choice: Choice = {
    servers: listOption("servers", options.servers, serverNames),
    clients: listOption("clients", options.clients, clientNames),
    events: listOption("event", options.event, eventNames, usualEvents),
    retires: listOption("retire", options.retire, retireNames),
  };
  if (setupsOf(choice).length === 0) throw new UsageError("--clients: expected one that --servers are tried with");
  return {
    kind: "run",
    choice,
    rpcs: options.rpcs === undefined ? defaultRpcs : integerOption("rpcs", options.rpcs, 1, 1_000_000),
    json: options.json === true,
  };
}
