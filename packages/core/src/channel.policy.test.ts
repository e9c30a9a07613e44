import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pod, pods } from "../test-helpers/endpoints.ts";
import { collect } from "../test-helpers/events.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { type Rpc, startRpc } from "../test-helpers/rpc.ts";
import type { ChannelOptions } from "./channel-options.ts";
import { StatusCode, StatusError } from "./errors.ts";
import type { Policy } from "./policy/policy.ts";
import { roundRobin } from "./policy/round-robin.ts";
import { vip } from "./resolver/vip.ts";
import { rendezvousSubset } from "./subset/rendezvous-subset.ts";

const broken: Record<string, unknown> = {
  "throws instead of making a picker": () => {
    throw new Error("out of order");
  },
  "makes no picker": () => undefined,
  "is not called": roundRobin,
  "throws in pick": () => ({
    pick() {
      throw new Error("out of order");
    },
  }),
  "picks nothing": () => ({ pick: () => undefined }),
  "picks what is no candidate": () => ({ pick: () => ({ kind: "complete", candidate: { endpoint: pod(1) } }) }),
};

describe("a policy that", () => {
  test.each(Object.keys(broken))("%s fails RPCs, those that wait as well, and nothing else", (name) => {
    const { clock, connector, resolver, channel } = channelHarness({ policy: broken[name] as Policy });
    const waiting = startRpc(channel);
    resolver.endpoints(pods(2));
    for (const connection of connector.open) connection.becomeReady();
    clock.tick(100);
    for (const rpc of [waiting, startRpc(channel)]) {
      expect(rpc.error).toBeInstanceOf(StatusError);
      expect(rpc.error).toMatchObject({ code: StatusCode.internal, message: /^the policy failed: / });
    }
  });

  test("throws in report is warned of, once", () => {
    const warnings = collect("warning");
    const policy: Policy = (previous, candidates, context) => {
      const picker = inTurn(previous, candidates, context);
      return {
        pick: (info) => picker.pick(info),
        report() {
          throw new Error("out of order");
        },
      };
    };
    const { channel } = readyChannel(pods(1), { policy });
    for (let rpc = 0; rpc < 3; rpc++) {
      const { connection } = startRpc(channel);
      if (connection === undefined) throw new Error("the RPC got no connection");
      channel.report(connection, { path: "" }, { code: 0, fate: "answered", firstByteMs: 1, durationMs: 1 });
    }
    expect(warnings).toEqual([
      { target: "http://orders:8080", message: "http://orders:8080: the policy failed: out of order" },
    ]);
  });

  test("throws once goes on to work with the next set", () => {
    let isBroken = true;
    const policy: Policy = (previous, candidates, context) => {
      if (isBroken) throw new Error("out of order");
      return inTurn(previous, candidates, context);
    };
    const { channel, connector, resolver } = readyChannel(pods(1), { policy });
    isBroken = false;
    resolver.endpoints(pods(2));
    connector.latest("pod-2").becomeReady();
    expect(startRpc(channel).settled).toBe(1);
    expect(startRpc(channel).error).toBeUndefined();
  });

  test("hears when nothing was ready", () => {
    const seen: unknown[] = [];
    const policy: Policy = (previous, candidates, context) => {
      seen.push(context.emptySince);
      return inTurn(previous, candidates, context);
    };
    const clock = new FakeClock();
    const { connector } = readyChannel(pods(1), { policy, clock });
    clock.tick(5_000);
    const lostAt = clock.now();
    connector.latest("pod-1").lose(new Error("reset"));
    clock.tick(5_000);
    connector.latest("pod-1").becomeReady();
    expect(seen).toEqual([undefined, lostAt]);
  });
});

describe("an endpoint's weight", () => {
  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "of %d is the resolver's error, which RPCs tell",
    (weight) => {
      const { resolver, channel } = channelHarness();
      const rpc = startRpc(channel);
      resolver.endpoints([pod(1, { weight })]);
      expect(rpc.outcome ?? startRpc(channel).outcome).toMatch(
        /pod-1 .* has weight .*: expected a finite number above 0/,
      );
    },
  );

  test("that is none leaves the last set in use", () => {
    const { resolver, channel } = readyChannel(pods(2));
    resolver.endpoints([pod(1, { weight: 0 })]);
    expect(startRpc(channel).error).toBeUndefined();
    expect(channel.snapshot().resolverError).toMatch("weight 0");
  });
});

describe("a subset", () => {
  test.each(["throws", "returns nothing"])("that %s fails the RPCs that wait", (name) => {
    const subset = (() => {
      if (name === "throws") throw new Error("out of order");
    }) as unknown as NonNullable<ChannelOptions["subset"]>;
    const { resolver, channel } = channelHarness({ subset });
    const rpc = startRpc(channel);
    resolver.endpoints(pods(2));
    expect(rpc.outcome ?? startRpc(channel).outcome).toMatch(/subset|out of order/);
  });
});

test.each<[string, Partial<ChannelOptions>]>([
  ["subset with vip()", { resolver: vip(), subset: rendezvousSubset({ size: 3 }) }],
  ["maxConnectionsPerEndpoint with vip()", { resolver: vip(), maxConnectionsPerEndpoint: 2 }],
  ["queueTimeoutMs with waitForReady", { waitForReady: true, queueTimeoutMs: 5 }],
  ["policy", { policy: null as unknown as Policy }],
  ["retryBudget", { retryBudget: null as unknown as object }],
  ["retryBudget", { retryBudget: [] as unknown as object }],
  ["clock", { clock: { now: () => 0 } as unknown as FakeClock }],
])("a channel refuses %s", (message, options) => {
  expect(() => channelHarness(options)).toThrow(message);
});

test("RPCs that wait while all endpoints are full cost no look at each of them", () => {
  const { channel, connector } = readyChannel(pods(20));
  for (const connection of connector.open) connection.changeMaxStreams(1);
  const running = Array.from({ length: 20 }, () => startRpc(channel));
  let looks = 0;
  for (const connection of connector.open) {
    Object.defineProperty(connection, "maxStreams", {
      get: () => {
        looks++;
        return 1;
      },
    });
  }
  const waiting: Rpc[] = Array.from({ length: 1_000 }, () => startRpc(channel));
  expect(looks).toBeLessThan(200);
  running[3]?.stream?.cancel(new Error("done"));
  expect(waiting.filter(({ settled }) => settled > 0)).toHaveLength(1);
});
