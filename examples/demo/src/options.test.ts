import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkCombination, defaultOptions, parseCommand, UsageError } from "./options.ts";
import { optionRows, usage } from "./usage.ts";

describe("parseCommand", () => {
  it("has defaults for everything", () => {
    expect(parseCommand([])).toEqual({ kind: "run", options: defaultOptions, json: false });
  });

  it("reads every option, the last of those given twice", () => {
    const text =
      "--scenario kill --client connect-node --protocol=grpc-web --method ping --policy least-request --resolver dns --network lagging " +
      "--rate 1 --rate 0 --seconds 2.5 --callers 7 --rpcs-per-caller 8 --delay-ms 0 --json";
    expect(parseCommand(text.split(" "))).toEqual({
      kind: "run",
      json: true,
      options: {
        scenario: "kill",
        client: "connect-node",
        protocol: "grpc-web",
        method: "ping",
        policy: "least-request",
        resolver: "dns",
        network: "lagging",
        rate: 0,
        seconds: 2.5,
        callers: 7,
        rpcsPerCaller: 8,
        delayMs: 0,
      },
    });
  });

  it("passes over the -- of a package manager", () => {
    expect(parseCommand(["--", "--json"])).toMatchObject({ json: true });
  });

  it("knows --help, which documents every option", () => {
    expect(parseCommand(["--help"])).toEqual({ kind: "help" });
    const documented = [...usage.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name);
    expect(() => parseCommand(["--nothing"])).toThrow(
      `${documented
        .slice(0, -1)
        .map((name) => `--${name}`)
        .join(", ")} or --${documented.at(-1)}`,
    );
  });

  it.each([
    ["--nothing", "--nothing: there is no such option, expected --scenario,"],
    ["-x", "-x: there is no such option"],
    ["scale", '"scale": expected only options, --scenario,'],
    ["--scenario", "--scenario: expected scale, kill, rolling, freeze or all, got nothing"],
    ["--scenario up", '--scenario: expected scale, kill, rolling, freeze or all, got "up"'],
    ["--protocol h3", '--protocol: expected connect, grpc, grpc-web or grpc-js, got "h3"'],
    ["--method count", '--method: expected ping or charge, got "count"'],
    [
      "--policy fastest",
      '--policy: expected round-robin, least-request, peak-ewma, shortest-expected-delay, never-queue, random or weighted-round-robin, got "fastest"',
    ],
    ["--resolver files", '--resolver: expected kubernetes, cluster or dns, got "files"'],
    ["--client curl", '--client: expected evenkeel, connect-node or grpc-js, got "curl"'],
    ["--rate -1", '--rate: expected a number from 0 to 100000, got "-1"'],
    ["--rate fast", '--rate: expected a number from 0 to 100000, got "fast"'],
    ["--rate=", '--rate: expected a number from 0 to 100000, got ""'],
    ["--seconds 0", '--seconds: expected a number from 1 to 3600, got "0"'],
    ["--callers 1.5", '--callers: expected an integer from 1 to 10000, got "1.5"'],
    ["--rpcs-per-caller 0", "--rpcs-per-caller: expected an integer from 1 to 1000000"],
    ["--delay-ms NaN", '--delay-ms: expected an integer from 0 to 60000, got "NaN"'],
    ["--json=yes", '--json: expected no value, got "yes"'],
  ])("refuses %s", (text, message) => {
    expect(() => parseCommand(text.split(" "))).toThrow(UsageError);
    expect(() => parseCommand(text.split(" "))).toThrow(message);
  });
});

describe("checkCombination", () => {
  const check = (text: string) => () => {
    const command = parseCommand(text.split(" "));
    if (command.kind === "run") checkCombination(command.options);
  };

  it.each([
    ["--client connect-node --protocol grpc-js", "--client connect-node: expected another --protocol than grpc-js, or"],
    ["--client grpc-js", '--client grpc-js: expected --protocol grpc-js, got "connect"'],
    ["--client grpc-js --protocol grpc", '--client grpc-js: expected --protocol grpc-js, got "grpc"'],
    ["--protocol grpc-js --resolver cluster", "--protocol grpc-js: expected --resolver kubernetes or dns"],
  ])("refuses %s", (text, message) => {
    expect(check(text)).toThrow(UsageError);
    expect(check(text)).toThrow(message);
  });

  it.each([
    "--protocol grpc-js",
    "--protocol grpc-js --resolver dns",
    "--protocol grpc-js --client grpc-js",
    "--protocol grpc-web --client connect-node",
    "--protocol grpc --resolver cluster",
  ])("allows %s", (text) => {
    expect(check(text)).not.toThrow();
  });
});

describe("the README", () => {
  it("has a table of the options that says what --help says", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const rows = [...readme.matchAll(/^\| `(--.+)` \| (.+) \|$/gm)].map(([, option = "", meaning]) => {
      return [option.replaceAll("\\|", "|"), meaning];
    });
    expect(rows).toEqual(optionRows);
  });
});
