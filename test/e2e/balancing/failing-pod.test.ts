import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { roundRobin } from "@evenkeel/core";
import { startCluster } from "@evenkeel/testing";
import { expect, it, onTestFinished } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { countAttempts } from "./attempts.ts";

const pods = 5;
const callers = 20;
const rpcsPerCaller = 150;
const rpcs = callers * rpcsPerCaller;

/** Of 5 pods one fails everything at once, which looks like speed; how many attempts it was given, and RPCs failed. */
async function runAgainstFailingPod(options: object): Promise<{ given: number; failed: number }> {
  const module = new URL("./fixtures/failing-pod.ts", import.meta.url);
  await using cluster = await startCluster({ pod: { module, env: { FAILING: "pod-2" } }, size: pods });
  const transport = createGrpcTransport({ baseUrl: cluster.url, resolver: cluster.resolver(), ...options });
  onTestFinished(() => transport.destroy());
  const attempts = countAttempts(transport.channel);
  transport.channel.connect();
  const isReady = () => transport.channel.snapshot().endpoints.filter(({ state }) => state === "ready").length;
  await expect.poll(isReady).toBe(pods);
  const client = createClient(DemoService, transport);
  const codes = new Set<Code>();
  let failed = 0;
  const call = async (): Promise<void> => {
    for (let rpc = 0; rpc < rpcsPerCaller; rpc++) {
      try {
        await client.charge({ work: { delayMs: 10 } });
      } catch (error) {
        failed++;
        codes.add(ConnectError.from(error).code);
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  expect([...codes]).toEqual([Code.Unavailable]);
  for (const { name } of cluster.pods) expect(attempts.get(name)).toBeGreaterThan(0);
  expect([...attempts.values()].reduce((sum, count) => sum + count)).toBe(rpcs);
  return { given: attempts.get("pod-2") ?? 0, failed };
}

it("a pod that fails everything at once gets less than its fair share", async () => {
  const { given, failed } = await runAgainstFailingPod({});
  expect(given).toBeLessThan(rpcs / pods);
  expect(failed).toBe(given); // a charge is never sent again
});

it("a pod that fails everything at once gets next to nothing with outlier detection, whatever the policy", async () => {
  const { given } = await runAgainstFailingPod({ policy: roundRobin(), outlierDetection: {} });
  expect(given).toBeLessThan(rpcs / pods / 10); // those that were under way when it was ejected
});
