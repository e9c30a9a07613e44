import { describe, expect, test } from "vitest";
import { UsageError } from "../bench/command-line.ts";
import { setupsOf } from "./cells.ts";
import { parseCommand, usage } from "./options.ts";

const cellsOf = (...args: string[]) => {
  const command = parseCommand(args);
  if (command.kind !== "run") throw new Error("it only helps");
  return setupsOf(command.choice).flatMap(([, cells]) => cells);
};

describe("parseCommand", () => {
  test("without options: every server with its clients, both events, both ways", () => {
    const cells = cellsOf();
    expect(cells).toHaveLength((2 * 5 + 4 + 2 * 3 + 2 * 2) * 2 * 2);
    expect(cells.filter(({ event }) => event === "none")).toEqual([]);
    expect(parseCommand([])).toMatchObject({ rpcs: 5_000, json: false });
  });

  test("lists choose of each dimension, in the order of the matrix", () => {
    const cells = cellsOf(
      ...["--servers", "connect-node-h1,fastify-h2c", "--clients", "connect-node-h1, evenkeel-grpc"],
      ...["--event", "none", "--retire", "two-phase"],
    );
    expect(cells).toEqual([
      { server: "fastify-h2c", client: "evenkeel-grpc", event: "none", retire: "two-phase" },
      { server: "connect-node-h1", client: "connect-node-h1", event: "none", retire: "two-phase" },
    ]);
  });

  test("servers of grpc-js are tried with those that speak gRPC, and balance", () => {
    const chosen = cellsOf("--servers", "grpc-js-h2c", "--event", "max-age", "--retire", "one-phase");
    expect(chosen.map(({ client }) => client)).toEqual(["evenkeel-grpc", "evenkeel-grpc-js", "grpc-js-rr"]);
  });

  test("--rpcs and --json, also behind the -- of some versions of pnpm", () => {
    expect(parseCommand(["--", "--rpcs", "20000", "--json"])).toMatchObject({ kind: "run", rpcs: 20_000, json: true });
  });

  test("--help wins, and names every option", () => {
    expect(parseCommand(["--help", "--rpcs", "none"])).toEqual({ kind: "help" });
    for (const option of ["rpcs", "servers", "clients", "event", "retire", "json"])
      expect(usage).toContain(`--${option}`);
  });

  test.each([
    { args: ["--rpcs", "0"], message: '--rpcs: expected an integer from 1 to 1000000, got "0"' },
    { args: ["--rpcs", " "], message: '--rpcs: expected an integer from 1 to 1000000, got " "' },
    { args: ["--event", "kill"], message: '--event: expected max-age, rolling, none, got "kill"' },
    { args: ["--retire", "two-phase,three-phase"], message: 'got "three-phase"' },
    {
      args: ["--servers", "fastify-h1", "--clients", "grpc-js-rr"],
      message: "expected one that --servers are tried with",
    },
    {
      args: ["--servers", "grpc-js-tls", "--clients", "evenkeel-connect"],
      message: "expected one that --servers are tried with",
    },
    { args: ["--server", "fastify-h1"], message: "--server" },
    { args: ["fast"], message: "fast" },
  ])("$args is a mistake", ({ args, message }) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });
});
