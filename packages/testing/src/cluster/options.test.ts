import { describe, expect, test } from "vitest";
import { type ClusterNetwork, type ClusterOptions, checkOptions } from "./options.ts";

const valid: ClusterOptions = { pod: { module: "./pod.js" }, size: 1 };

describe("checkOptions", () => {
  test("fills in the defaults", () => {
    expect(checkOptions({ pod: { module: "./pod.js", args: ["a"], execArgv: ["--b"] }, size: 3 })).toEqual({
      program: process.execPath,
      args: ["--b", "./pod.js", "a"],
      env: {},
      size: 3,
      name: "pod",
      port: undefined,
      podAddresses: undefined,
      network: { kind: "loopback" },
      zones: [],
      propagationMs: 0,
      killDetectionMs: 100,
      startupTimeoutMs: 20_000,
      terminationGraceMs: 30_000,
    });
  });

  test("takes modules as paths and as URLs, and other programs", () => {
    const argsOf = (pod: ClusterOptions["pod"]) => checkOptions({ ...valid, pod }).args;
    expect(argsOf({ module: new URL("file:///a%20b.js") })).toEqual(["/a b.js"]);
    expect(argsOf({ module: "file:///a%20b.js" })).toEqual(["/a b.js"]);
    expect(checkOptions({ ...valid, pod: { command: ["nginx", "-g", "x"], env: { A: "b" } } })).toMatchObject({
      program: "nginx",
      args: ["-g", "x"],
      env: { A: "b" },
    });
  });

  test("fills in the times of a network that lags", () => {
    const networkOf = (network: ClusterNetwork) => checkOptions({ ...valid, network }).network;
    expect(networkOf({ kind: "lagging" })).toEqual({ kind: "lagging", resetMs: 500, refuseMs: 1_000 });
    expect(networkOf({ kind: "lagging", resetMs: 0, refuseMs: 5 })).toEqual({
      kind: "lagging",
      resetMs: 0,
      refuseMs: 5,
    });
    expect(networkOf({ kind: "loopback" })).toEqual({ kind: "loopback" });
  });

  test.for<[wrong: object, error: RegExp]>([
    [{ size: -1 }, /^RangeError: size: expected an integer from 0 to 100, got -1/],
    [{ size: 1.5 }, /^RangeError: size:/],
    [{ size: undefined }, /^RangeError: size:/],
    [{ size: 101 }, /^RangeError: size:/],
    [{ name: "Orders" }, /^TypeError: name: .* got "Orders"/],
    [{ name: "" }, /^TypeError: name:/],
    [{ port: 0 }, /^RangeError: port: expected an integer from 1 to 65535, got 0/],
    [{ podAddresses: "both" }, /^TypeError: podAddresses:/],
    [{ network: "lagging" }, /^TypeError: network: expected a kind of "loopback" or "lagging", got "lagging"/],
    [{ network: null }, /^TypeError: network:/],
    [
      { network: { kind: "lagging", resetMS: 5 } },
      /^TypeError: network: expected only kind, resetMs, refuseMs, got resetMS$/,
    ],
    [{ network: { kind: "loopback", resetMs: 5 } }, /^TypeError: network: expected only kind, got resetMs$/],
    [{ network: { kind: "lagging", resetMs: -1 } }, /^RangeError: network.resetMs:/],
    [{ network: { kind: "lagging", refuseMs: Number.NaN } }, /^RangeError: network.refuseMs:/],
    [{ network: { kind: "lagging" }, podAddresses: "shared" }, /^TypeError: podAddresses: .* leave it out/],
    [{ zones: ["a", ""] }, /^TypeError: zones:/],
    [{ propagationMs: -1 }, /^RangeError: propagationMs:/],
    [{ killDetectionMs: Number.NaN }, /^RangeError: killDetectionMs:/],
    [{ startupTimeoutMs: 2 ** 31 }, /^RangeError: startupTimeoutMs:/],
    [{ terminationGraceMs: "1" }, /^RangeError: terminationGraceMs:/],
    [{ pod: undefined }, /^TypeError: pod: expected either \{module\} or \{command\}/],
    [{ pod: {} }, /^TypeError: pod:/],
    [{ pod: { module: "a", command: ["b"] } }, /^TypeError: pod:/],
    [{ pod: { module: "" } }, /^TypeError: pod.module:/],
    [{ pod: { module: new URL("https://example.com/pod.js") } }, /^TypeError: pod.module: .* got https:/],
    [{ pod: { module: "a", args: [1] } }, /^TypeError: pod.args:/],
    [{ pod: { module: "a", execArgv: "--b" } }, /^TypeError: pod.execArgv:/],
    [{ pod: { command: [] } }, /^TypeError: pod.command:/],
  ])("refuses %o", ([wrong, error]) => {
    const options = { ...valid, ...wrong } as ClusterOptions;
    const thrown = (() => {
      try {
        checkOptions(options);
      } catch (reason) {
        return String(reason);
      }
      return "nothing";
    })();
    expect(thrown).toMatch(error);
  });

  test("refuses no options at all", () => {
    expect(() => checkOptions(undefined as unknown as ClusterOptions)).toThrow(TypeError);
  });
});
