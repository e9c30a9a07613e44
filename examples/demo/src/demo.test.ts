import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { canLag } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { steadyPods } from "./display/text.ts";
import type { DemoOptions } from "./options.ts";
import type { DemoResult, RunResult } from "./result.ts";
import { runDemo } from "./run.ts";

const short = { rate: 200, seconds: 3 };

async function run(options: Partial<DemoOptions>): Promise<RunResult> {
  const { runs } = await runDemo({ ...short, ...options });
  expect(runs).toHaveLength(1);
  return runs[0]!;
}

/** The load went on until after the last event, and every RPC is accounted for. */
function expectComplete({ rpcs, ok, failed, perPod, events }: RunResult): void {
  expect(ok + failed).toBe(rpcs);
  expect(Object.values(perPod).reduce((sum, answered) => sum + answered, 0)).toBe(ok);
  expect(events.at(-1)?.kind).toBe("exited");
  expect(events.at(-1)?.rpcsBefore).toBeLessThan(rpcs - short.rate / 2);
}

/** The pods that stayed had the same share. */
function expectEvenShares(result: RunResult): void {
  const steady = steadyPods(result).map((pod) => result.perPod[pod]!);
  expect(steady).toHaveLength(5);
  const mean = steady.reduce((sum, answered) => sum + answered, 0) / steady.length;
  for (const answered of steady) expect(Math.abs(answered - mean)).toBeLessThanOrEqual(0.05 * mean);
}

function expectFairNewPods({ newPods, latencyMs }: RunResult, pods: readonly string[]): void {
  expect(Object.keys(newPods).sort()).toEqual([...pods].sort());
  for (const { firstRpcMs, fairShareMs } of Object.values(newPods)) {
    expect(firstRpcMs).toBeLessThanOrEqual(500 + latencyMs.max); // a busy machine shows in every RPC
    expect(fairShareMs).not.toBeNull();
  }
}

const lagging = await canLag();

describe("the demo", () => {
  it("scales from 5 pods to 7 and back without losing an RPC, evenly", async () => {
    const result = await run({ scenario: "scale", protocol: "grpc" });
    expect(result).toMatchObject({ failed: 0, messages: [], inFlightAtLoss: 0 });
    expectComplete(result);
    expectFairNewPods(result, ["pod-6", "pod-7"]);
    expectEvenShares(result);
    expect(Object.keys(result.connections)).toEqual(["pod-1", "pod-2", "pod-3", "pod-4", "pod-5"]);
  });

  it("replaces every pod without losing an RPC", async () => {
    const result = await run({ scenario: "rolling", protocol: "grpc-web" });
    expect(result).toMatchObject({ failed: 0, messages: [], inFlightAtLoss: 0 });
    expectComplete(result);
    const replacing = ["pod-6", "pod-7", "pod-8", "pod-9", "pod-10"];
    expectFairNewPods(result, replacing);
    expect(Object.keys(result.connections)).toEqual(replacing);
  });

  it("loses no more than what was under way on a pod that is killed, and says so", async () => {
    const result = await run({ scenario: "kill", method: "charge", delayMs: 100 });
    expectComplete(result);
    const killed = result.events.find(({ kind }) => kind === "killed")!.pod;
    expect(result.inFlightAtLoss).toBeGreaterThan(0); // 20 RPCs are under way at any time, on 6 pods
    expect(result.failed).toBeGreaterThan(0); // none of them may be sent again
    expect(result.failed).toBeLessThanOrEqual(result.inFlightAtLoss);
    for (const message of result.messages) expect(message).toContain(`to ${killed} (`);
    expect(result.connections[killed]).toBeUndefined();
  });

  it("loses no idempotent RPC when a pod is killed, in the closed loop", async () => {
    const load = { rate: 0, callers: 20, rpcsPerCaller: 60 };
    const result = await run({ scenario: "kill", method: "ping", policy: "least-request", ...load });
    expect(result).toMatchObject({ failed: 0, messages: [] });
    expectComplete(result);
    expect(result.rpcs).toBeGreaterThanOrEqual(20 * 60);
    expect(result.latencyMs.max).toBeLessThanOrEqual(1_000);
  });

  it("sends a frozen pod nothing more, and what it had waits for it", async () => {
    const result = await run({ scenario: "freeze", protocol: "grpc" });
    expect(result).toMatchObject({ policy: "least-request", failed: 0, messages: [], inFlightAtLoss: 0 });
    expect(result.events.map(({ kind }) => kind)).toEqual(["frozen", "thawed"]);
    const [frozen] = result.events;
    expect(result.freeze).toMatchObject({ pod: frozen?.pod, latePicks: 0 });
    const { waited, earlyPicks, forMs, othersDuringMs, othersP99Ratio } = result.freeze!;
    expect(forMs).toBeGreaterThanOrEqual(4_000);
    expect(waited).toBeGreaterThan(0);
    expect(waited).toBeLessThanOrEqual(earlyPicks + 20); // 2 are under way at any time, unless the machine is busy
    expect(waited).toBeLessThan(short.rate / 4);
    expect(othersDuringMs.p99).toBeGreaterThan(0);
    expect(othersDuringMs.p99).toBeLessThanOrEqual(1_000); // not as long as the freeze
    expect(othersP99Ratio).not.toBeNull();
    expect(Object.keys(result.connections)).toHaveLength(5);
  });

  it("shows the stock client waiting for the one pod that is frozen", async () => {
    const result = await run({ scenario: "freeze", client: "connect-node" });
    expect(result.freeze).toMatchObject({ othersP99Ratio: null });
    expect(result.freeze!.latePicks).toBeGreaterThan(short.rate);
    expect(result.stallMs).toBeGreaterThan(3_000);
  });

  it.skipIf(!lagging.ok)(
    `loses no more when the address of the pod resets, refuses, then swallows${lagging.ok ? "" : ` (${lagging.reason})`}`,
    async () => {
      const result = await run({ scenario: "kill", network: "lagging", seconds: 8, delayMs: 100 });
      expectComplete(result);
      expect(result.network).toBe("lagging");
      expect(result.messages.join()).toMatch(/^$|\(198\.1[89]\./); // where such pods live
      expect(result.failed).toBeLessThanOrEqual(result.inFlightAtLoss);
      expect(result.failed).toBeGreaterThan(0); // 20 RPCs are under way at any time, on 6 pods
      expect(result.stallMs).toBeLessThanOrEqual(1_000);
      expect(result.latencyMs.max).toBeLessThanOrEqual(2_000);
    },
  );

  it("shows the stock client with one pod for everything", async () => {
    const result = await run({ scenario: "scale", client: "connect-node" });
    expect(result).toMatchObject({ policy: null, resolver: null });
    const busy = Object.keys(result.perPod).filter((pod) => result.perPod[pod] !== 0);
    expect(busy).toHaveLength(1);
    expect(Object.keys(result.connections)).toEqual(busy);
    expect(result.newPods).toMatchObject({
      "pod-6": { firstRpcMs: null, fairShareMs: null },
      "pod-7": { firstRpcMs: null, fairShareMs: null },
    });
  });

  it("takes the endpoint set from the cluster itself, too", async () => {
    const result = await run({ scenario: "scale", resolver: "cluster", seconds: 2 });
    expect(result).toMatchObject({ resolver: "cluster", failed: 0, messages: [] });
  });

  it("finds pods by DNS too", async () => {
    const result = await run({ scenario: "rolling", resolver: "dns" });
    expect(result).toMatchObject({ failed: 0, messages: [] });
    expectComplete(result);
    expect(Object.keys(result.connections).sort()).toEqual(["pod-10", "pod-6", "pod-7", "pod-8", "pod-9"]);
  });

  it("ends when it is told to", async () => {
    const controller = new AbortController();
    const { promise: started, resolve } = Promise.withResolvers<void>();
    const display = { intervalMs: 1_000, started: () => resolve(), event() {}, update() {}, finished() {} };
    const demo = runDemo(short, { display, signal: controller.signal });
    await started;
    controller.abort(new Error("enough"));
    await expect(demo).rejects.toThrow("enough");
  });
});

describe("the demo with grpc-js", () => {
  it("scales from 5 pods to 7 and back without losing an RPC, evenly", async () => {
    const result = await run({ scenario: "scale", protocol: "grpc-js" });
    expect(result).toMatchObject({ protocol: "grpc-js", failed: 0, messages: [], inFlightAtLoss: 0 });
    expectComplete(result);
    expectFairNewPods(result, ["pod-6", "pod-7"]);
    expectEvenShares(result);
    expect(Object.keys(result.connections).sort()).toEqual(["pod-1", "pod-2", "pod-3", "pod-4", "pod-5"]);
  });

  it("replaces every pod, and loses no more than what was refused twice", async () => {
    const result = await run({ scenario: "rolling", protocol: "grpc-js" });
    expectComplete(result);
    expect(result.failed).toBeLessThanOrEqual(1); // of about 1 000: 10 of 20 000 are allowed
    for (const message of result.messages) expect(message).toBe("14 UNAVAILABLE: Stream refused by server");
    expect(result.inFlightAtLoss).toBe(0);
    const replacing = ["pod-6", "pod-7", "pod-8", "pod-9", "pod-10"];
    expectFairNewPods(result, replacing);
    expect(Object.keys(result.connections).sort()).toEqual(replacing.sort());
  });

  it("finds pods by DNS too", async () => {
    const result = await run({ scenario: "rolling", protocol: "grpc-js", resolver: "dns", policy: "least-request" });
    expect(result).toMatchObject({ resolver: "dns", policy: "least-request" });
    expectComplete(result);
    expect(result.failed).toBeLessThanOrEqual(1);
    expect(Object.keys(result.connections).sort()).toEqual(["pod-10", "pod-6", "pod-7", "pod-8", "pod-9"]);
  });

  it("loses no more than what was under way on a pod that is killed", async () => {
    const result = await run({ scenario: "kill", protocol: "grpc-js", delayMs: 100 });
    expectComplete(result);
    expect(result.failed).toBeGreaterThan(0); // 20 RPCs are under way at any time, on 6 pods
    expect(result.failed).toBeLessThanOrEqual(result.inFlightAtLoss);
    expect(result.inFlightAtLoss).toBeLessThan(short.rate / 4);
    for (const message of result.messages)
      expect(message).toMatch(/^14 UNAVAILABLE: (read ECONNRESET|Connection dropped)$/);
    const killed = result.events.find(({ kind }) => kind === "killed")!.pod;
    expect(result.connections[killed]).toBeUndefined();
  });

  it("loses no idempotent RPC when a pod is killed", async () => {
    const result = await run({ scenario: "kill", protocol: "grpc-js", method: "ping", delayMs: 100 });
    expect(result).toMatchObject({ failed: 0, messages: [] });
    expectComplete(result);
  });

  it("shows the stock client with one pod for everything", async () => {
    const result = await run({ scenario: "scale", client: "grpc-js", protocol: "grpc-js" });
    expect(result).toMatchObject({ policy: null, resolver: null });
    const busy = Object.keys(result.perPod).filter((pod) => result.perPod[pod] !== 0);
    expect(busy).toHaveLength(1);
    expect(Object.keys(result.connections)).toEqual(busy);
  });
});

describe("the command line", () => {
  const main = (...args: string[]) =>
    promisify(execFile)(process.execPath, [new URL("./main.ts", import.meta.url).pathname, ...args]);

  it("prints nothing but a JSON document with --json, with the fields that the README names", async () => {
    const { stdout } = await main("--json", "--scenario", "kill", "--rate", "50", "--seconds", "1");
    const { runs } = JSON.parse(stdout) as DemoResult;
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const fields = [...readme.matchAll(/^\| `([a-zA-Z]+)` \|/gm)].map(([, field]) => field);
    expect(fields.sort()).toEqual(Object.keys(runs[0]!).sort());
  });

  it("exits with code 2, and says what is allowed, for a mistake", async () => {
    await expect(main("--protocol", "h3")).rejects.toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining('--protocol: expected connect, grpc, grpc-web or grpc-js, got "h3"'),
    });
  });

  it("exits with code 2 for options that do not go together", async () => {
    await expect(main("--client", "grpc-js")).rejects.toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("--client grpc-js: expected --protocol grpc-js"),
    });
  });
});
