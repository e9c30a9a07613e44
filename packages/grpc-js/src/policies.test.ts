import { beforeAll, describe, expect, test, vi } from "vitest";
import {
  createEchoCaller,
  type EchoCaller,
  type EchoServer,
  ipv4Target,
  startEchoServers,
  withPolicy,
} from "../test-helpers/servers.ts";
import { register } from "./register.ts";

vi.setConfig({ testTimeout: 20_000 }); // thousands of RPCs, also on a busy machine

beforeAll(() => register());

/** So many callers, one RPC of each after another. No RPC may fail, unless `mayFail`. */
async function load({ call }: EchoCaller, callers: number, rpcsPerCaller: number, mayFail = false): Promise<void> {
  const run = async (): Promise<void> => {
    for (let rpc = 0; rpc < rpcsPerCaller; rpc++) {
      const failure = await call();
      if (!mayFail) expect(failure).toBeUndefined();
    }
  };
  await Promise.all(Array.from({ length: callers }, run));
}

/** Until every server has a connection. */
async function warmUp(caller: EchoCaller, servers: readonly EchoServer[]): Promise<void> {
  for (let key = 0; servers.some(({ calls }) => calls === 0); key++) {
    expect(await caller.call({ "x-user": `warm-${key}` })).toBeUndefined();
  }
  for (const server of servers) server.calls = 0;
}

async function start(
  name: string,
  json: unknown,
  ...delaysMs: readonly (number | undefined)[]
): Promise<{ servers: EchoServer[]; caller: EchoCaller }> {
  const servers = await startEchoServers(...delaysMs);
  const caller = createEchoCaller(ipv4Target(servers), withPolicy(name, json));
  await warmUp(caller, servers);
  return { servers, caller };
}

const callsOf = (servers: readonly EchoServer[]): number[] => servers.map(({ calls }) => calls);

test("evenkeel_round_robin gives each the same", async () => {
  const { servers, caller } = await start("evenkeel_round_robin", {}, 0, 0, 0);
  await load(caller, 1, 30);
  expect(callsOf(servers)).toEqual([10, 10, 10]);
});

test("random gives each about the same", async () => {
  const { servers, caller } = await start("random", {}, 0, 0, 0);
  await load(caller, 10, 30);
  for (const calls of callsOf(servers)) expect(calls).toBeGreaterThan(60);
});

test.each(["least_request", "least_request_experimental", "shortest_expected_delay", "never_queue", "peak_ewma"])(
  "%s gives less to one that is slow",
  async (name) => {
    const { servers, caller } = await start(name, {}, 1, 1, 40);
    await load(caller, 6, 50);
    const [first = 0, second = 0, slow = 0] = callsOf(servers);
    expect(slow).toBeLessThan(Math.min(first, second) / 2);
  },
);

describe.each(["ring_hash", "ring_hash_experimental", "maglev"])("%s", (name) => {
  test("sends a key to one server, and keys to all", async () => {
    const { servers, caller } = await start(name, { requestHashHeader: "x-user" }, 0, 0, 0);
    const seen = new Set<number>();
    for (let key = 0; key < 30; key++) {
      const before = callsOf(servers);
      for (let rpc = 0; rpc < 3; rpc++) expect(await caller.call({ "x-user": `user-${key}` })).toBeUndefined();
      const grown = callsOf(servers).map((calls, index) => calls - (before[index] ?? 0));
      expect(grown.toSorted()).toEqual([0, 0, 3]);
      seen.add(grown.indexOf(3));
    }
    expect(seen.size).toBe(3);
  });
});

test("outlierDetection leaves one out that fails", async () => {
  const servers = await startEchoServers(0, 0, 0);
  const json = { outlierDetection: { consecutiveFailures: { threshold: 3 }, maxEjectionPercent: 50 } };
  const caller = createEchoCaller(ipv4Target(servers), withPolicy("evenkeel_round_robin", json));
  await warmUp(caller, servers);
  (servers[2] as EchoServer).delayMs = undefined;
  await load(caller, 1, 60, true);
  expect(servers[2]?.calls).toBe(3);
});

test("grpc-js's own outlier_detection has ours as its child", async () => {
  const servers = await startEchoServers(0, 0, 0);
  const json = {
    interval: { seconds: 0, nanos: 100_000_000 }, // grpc-js's own form of a duration
    failure_percentage_ejection: { threshold: 50, minimum_hosts: 1, request_volume: 5 },
    max_ejection_percent: 50,
    child_policy: [{ evenkeel_round_robin: {} }],
  };
  const caller = createEchoCaller(ipv4Target(servers), withPolicy("outlier_detection", json));
  await warmUp(caller, servers);
  const failing = servers[2] as EchoServer;
  failing.delayMs = undefined;
  await expect
    .poll(async () => {
      const before = failing.calls;
      await load(caller, 1, 30, true);
      return failing.calls - before;
    })
    .toBe(0);
});

test.each([false, true])(
  "an RPC fails with what is wrong with the config, whatever the resolver; waits for ready: %s",
  async (waitForReady) => {
    const servers = await startEchoServers(0);
    const { call } = createEchoCaller(ipv4Target(servers), withPolicy("least_request", { choiceCount: 1 }));
    const failure = await call({}, { waitForReady });
    expect(failure?.code).toBe(14);
    expect(failure?.details).toMatch(/^grpc.service_config: least_request: choiceCount: /);
  },
);
