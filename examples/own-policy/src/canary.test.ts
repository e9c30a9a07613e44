import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Candidate, createEndpoint, type Picker, type PolicyContext } from "@evenkeel/core";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { type CanaryOptions, canary } from "./canary.ts";

const info = { path: "/demo.v1.DemoService/Ping" };

function pods(...names: string[]): [Candidate, ...Candidate[]] {
  const [first, ...rest] = names.map((podName) => ({
    endpoint: createEndpoint({ host: "10.0.0.1", port: 8080, key: podName, podName }),
    inFlight: 0,
  }));
  if (first === undefined) throw new RangeError("a policy gets at least one candidate");
  return [first, ...rest];
}

const context: PolicyContext = {
  clock: new FakeClock(),
  random: seededRandom(1),
  endpoints: [],
  weightOf: ({ endpoint }) => endpoint.weight,
};
const isCanary: CanaryOptions["isCanary"] = ({ podName }) => podName?.startsWith("new") === true;

function sharesOf(picker: Picker<Candidate>): Map<string | undefined, number> {
  const shares = new Map<string | undefined, number>();
  for (let pick = 0; pick < 10_000; pick++) {
    const result = picker.pick(info);
    if (result.kind !== "complete") throw new Error(`expected an endpoint, got ${result.kind}`);
    const { podName } = result.candidate.endpoint;
    shares.set(podName, (shares.get(podName) ?? 0) + 1 / 10_000);
  }
  return shares;
}

describe("canary", () => {
  it("gives the canaries their share, however many they are", () => {
    const shares = sharesOf(canary({ percent: 10, isCanary })(undefined, pods("a", "b", "new-1"), context));
    expect(shares.get("new-1")).toBeCloseTo(0.1, 1);
    expect(shares.get("a")).toBeCloseTo(0.45, 1);
  });

  it("gives everything to the other group while one is not ready", () => {
    const policy = canary({ percent: 10, isCanary });
    const both = policy(undefined, pods("a", "new-1"), context);
    expect(sharesOf(policy(both, pods("a"), context)).get("a")).toBeCloseTo(1);
    expect(sharesOf(policy(both, pods("new-1"), context)).get("new-1")).toBeCloseTo(1);
  });

  it("refuses bad options", () => {
    expect(() => canary({ isCanary, percent: 101 })).toThrow("percent: expected a number from 0 to 100, got 101");
    expect(() => canary({ isCanary, percents: 5 } as CanaryOptions)).toThrow("percents: no option of canary");
  });

  it("works on real pods", async () => {
    const program = new URL("./main.ts", import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 25_000 });
    const counts = new Map(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    );
    expect(counts.size).toBe(5);
    expect(Number(counts.get("orders-5"))).toBeGreaterThan(50);
    expect(Number(counts.get("orders-5"))).toBeLessThan(170);
  });
});
