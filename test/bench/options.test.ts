import { describe, expect, test } from "vitest";
import { UsageError } from "./command-line.ts";
import { parseCommand, usage } from "./options.ts";

function run(...args: string[]) {
  const command = parseCommand(args);
  if (command.kind !== "run") throw new Error("it only helps");
  return { ...command, cases: command.cases.map(({ name }) => name) };
}

describe("parseCommand", () => {
  test("without options: every case, with its own clients", () => {
    const { cases, clients, serverCases, sliceCases, pick, rounds, json } = run();
    expect(cases).toContain("unary-64");
    expect(clients).toBeUndefined();
    expect(serverCases).toEqual(["server-plugin", "idle-connections"]);
    expect(sliceCases.map(({ name }) => name)).toEqual(["slice-to-pick", "slice-sync"]);
    expect({ pick, rounds, json }).toEqual({ pick: true, rounds: undefined, json: false });
  });

  test("--case chooses among those of clients and those of servers", () => {
    expect(run("--case", "unary-64")).toMatchObject({ cases: ["unary-64"], serverCases: [] });
    expect(run("--case", "server-plugin")).toMatchObject({ cases: [], serverCases: ["server-plugin"], sliceCases: [] });
    expect(run("--case", "pick")).toMatchObject({ cases: [], serverCases: [], sliceCases: [], pick: true });
    expect(run("--case", "unary-64").pick).toBe(false);
    expect(run("--case", "slice-sync").sliceCases).toMatchObject([{ name: "slice-sync" }]);
    expect(run("--case", "idle-connections,unary-1")).toMatchObject({
      cases: ["unary-1"],
      serverCases: ["idle-connections"],
    });
  });

  test("--clients leaves servers out", () => {
    expect(run("--clients", "grpc-js-rr")).toMatchObject({ clients: ["grpc-js-rr"], serverCases: [], sliceCases: [] });
    expect(() => run("--case", "server-plugin", "--clients", "grpc-js-rr")).toThrow("--clients: leave it out");
  });

  test("--help names every option", () => {
    expect(parseCommand(["--", "--help"])).toEqual({ kind: "help" });
    for (const option of ["case", "clients", "rounds", "json"]) expect(usage).toContain(`--${option}`);
  });

  test.each([
    { args: ["--rounds", "0"], message: '--rounds: expected an integer from 1 to 1000, got "0"' },
    { args: ["--rounds", "x"], message: 'got "x"' },
    {
      args: ["--case", "unary"],
      message: 'server-plugin, idle-connections, slice-to-pick, slice-sync, pick, got "unary"',
    },
    { args: ["--fast"], message: "--fast" },
  ])("$args is a mistake", ({ args, message }) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });
});
