import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { startCluster } from "@evenkeel/testing";
import { expect, it, onTestFinished } from "vitest";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { countAttempts } from "./attempts.ts";

const callers = 100;
/** Of the retry budget: retries for each RPC, free ones per second, and for how many seconds these are saved up. */
const ratio = 0.2;
const freePerSecond = 10;
const reserveSeconds = 10;

it.each([
  ["retries of idempotent RPCs", "ping", 20_000, {}],
  ["retries of what may be sent again as users say", "charge", 5_000, { methods: { "demo.v1.DemoService": {} } }],
] as const)(
  "%s stay within the budget when every pod fails",
  async (_name, method, rpcs, retry) => {
    const module = new URL("./fixtures/failing-pod.ts", import.meta.url);
    await using cluster = await startCluster({ pod: { module, env: { FAILING: "all" } }, size: 3 });
    const transport = createGrpcTransport({ baseUrl: cluster.url, resolver: cluster.resolver(), retry });
    onTestFinished(() => transport.destroy());
    const attempts = countAttempts(transport.channel);
    const client = createClient(DemoService, transport);
    const codes = new Set<Code>();
    const startedAt = performance.now();
    const call = async (): Promise<void> => {
      for (let rpc = 0; rpc < rpcs / callers; rpc++) {
        await client[method]({}, { timeoutMs: 20_000 }).catch((error) => codes.add(ConnectError.from(error).code));
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
    const seconds = (performance.now() - startedAt) / 1_000;
    expect([...codes]).toEqual([Code.Unavailable]);
    const sent = [...attempts.values()].reduce((sum, count) => sum + count, 0);
    expect(sent).toBeGreaterThan(rpcs + 0.1 * rpcs); // the budget is used
    expect(sent).toBeLessThanOrEqual(rpcs * (1 + ratio) + freePerSecond * (seconds + reserveSeconds));
  },
  60_000,
);

it("RPCs that must not happen twice are not retried", async () => {
  const module = new URL("./fixtures/failing-pod.ts", import.meta.url);
  await using cluster = await startCluster({ pod: { module, env: { FAILING: "all" } }, size: 3 });
  const transport = createGrpcTransport({ baseUrl: cluster.url, resolver: cluster.resolver() });
  onTestFinished(() => transport.destroy());
  const attempts = countAttempts(transport.channel);
  const client = createClient(DemoService, transport);
  for (let rpc = 0; rpc < 50; rpc++) await expect(client.charge({})).rejects.toThrow("the disk is full");
  expect([...attempts.values()].reduce((sum, count) => sum + count)).toBe(50);
});
