import {
  allScenarios,
  clientNames,
  defaultOptions,
  methods,
  networkNames,
  policyNames,
  protocols,
  resolverNames,
  scenarioNames,
} from "./options.ts";

const { scenario, client, protocol, method, resolver, network, rate, seconds, rpcsPerCaller, delayMs } = defaultOptions;

/** The options, each with what it means and its default. */
export const optionRows: readonly (readonly [option: string, meaning: string])[] = [
  [
    `--scenario ${[...scenarioNames, "all"].join("|")}`,
    `what happens to the pods (${scenario}: ${allScenarios.join(", ")})`,
  ],
  [`--client ${clientNames.join("|")}`, `evenkeel, or a stock client through a virtual IP (${client})`],
  [
    `--protocol ${protocols.join("|")}`,
    `what is spoken over HTTP/2; grpc-js: gRPC, by client and servers of grpc-js (${protocol})`,
  ],
  [`--method ${methods.join("|")}`, `idempotent, or one that must not happen twice (${method})`],
  [`--policy ${policyNames.join("|")}`, "which pod an RPC goes to (round-robin; for freeze least-request)"],
  [`--resolver ${resolverNames.join("|")}`, `how pods are found (${resolver})`],
  [`--network ${networkNames.join("|")}`, `lagging: what dies resets, refuses, then swallows; needs root (${network})`],
  ["--rate N", `RPCs offered each second (${rate}); 0: callers send one RPC after another`],
  ["--seconds N", `how long the load lasts at least (${seconds})`],
  ["--callers N", "with --rate 0 (500; for kill 20)"],
  ["--rpcs-per-caller N", `with --rate 0: callers times this many RPCs at least (${rpcsPerCaller})`],
  ["--delay-ms N", `how long a pod takes to answer (${delayMs})`],
  ["--json", "print a JSON document, and nothing else"],
  ["--help", "print this"],
];

const width = Math.max(...optionRows.map(([option]) => option.length));

export const usage = `Usage: pnpm demo [options]

Scales, kills, replaces or freezes pods of a pretend cluster under load, and shows how the RPCs spread over them.

${optionRows.map(([option, meaning]) => `  ${option.padEnd(width)}  ${meaning}`).join("\n")}
`;
