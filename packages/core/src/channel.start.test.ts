import type { ScriptedConnector } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pods } from "../test-helpers/endpoints.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import type { Policy } from "./policy/policy.ts";
import { roundRobin } from "./policy/round-robin.ts";

/** A channel with eight RPCs that wait, whose dials have been under way for 10 ms. */
function waiting(count: number) {
  const harness = channelHarness();
  const { clock, channel, resolver } = harness;
  const rpcs = Array.from({ length: 8 }, () => startRpc(channel));
  resolver.endpoints(pods(count));
  clock.tick(10);
  return { ...harness, rpcs };
}

describe("the RPCs that wait for a first connection", () => {
  test("are not all given to the first of many, but wait as long again as it took", () => {
    const { clock, connector, channel, rpcs } = waiting(8);
    connector.latest("pod-1").becomeReady();
    expect(rpcs.map(({ settled }) => settled)).toEqual(Array(8).fill(0));
    expect(channel.state).toBe("connecting");
    clock.tick(9);
    connector.latest("pod-2").becomeReady();
    expect(rpcs[0]?.settled).toBe(0);
    clock.tick(1);
    expect(new Set(rpcs.map(({ outcome }) => outcome))).toEqual(new Set(["pod-1", "pod-2"]));
    expect(channel.state).toBe("ready");
  });

  test("go as soon as half of the connections are ready", () => {
    const { connector, rpcs } = waiting(4);
    connector.latest("pod-1").becomeReady();
    expect(rpcs[0]?.settled).toBe(0);
    connector.latest("pod-2").becomeReady();
    expect(rpcs.map(({ settled }) => settled)).toEqual(Array(8).fill(1));
  });

  test("go as soon as no other is being dialled", () => {
    const { connector, rpcs } = waiting(4);
    connector.latest("pod-1").becomeReady();
    for (const name of ["pod-2", "pod-3", "pod-4"]) connector.latest(name).refuse(new Error("refused"));
    expect(new Set(rpcs.map(({ outcome }) => outcome))).toEqual(new Set(["pod-1"]));
  });

  test("wait no longer than 50 ms", () => {
    const { clock, connector, rpcs } = waiting(8);
    clock.tick(3_000);
    connector.latest("pod-1").becomeReady();
    clock.tick(49);
    expect(rpcs[0]?.settled).toBe(0);
    clock.tick(1);
    expect(rpcs[0]?.settled).toBe(1);
  });

  test("wait for the next when the first is lost meanwhile", () => {
    const { clock, connector, rpcs } = waiting(8);
    connector.latest("pod-1").becomeReady();
    connector.latest("pod-1").lose(new Error("reset"));
    clock.tick(50);
    expect(rpcs[0]?.settled).toBe(0);
    connector.latest("pod-2").becomeReady();
    clock.tick(60);
    expect(rpcs[0]?.outcome).toBe("pod-2");
  });

  test("go on waiting, as at a start, when all were lost and are dialled again", () => {
    const { clock, connector, channel, resolver } = channelHarness({ waitForReady: true });
    const rpcs = Array.from({ length: 30 }, () => startRpc(channel));
    resolver.endpoints(pods(10));
    for (const connection of connector.open) connection.refuse(new Error("refused"));
    clock.tick(1_500);
    expect(connector.open).toHaveLength(10);
    clock.tick(20);
    connector.open[4]?.becomeReady();
    expect(rpcs[0]?.settled).toBe(0);
    for (const connection of connector.open) if (connection.state === "connecting") connection.becomeReady();
    expect(new Set(rpcs.map(({ outcome }) => outcome)).size).toBeGreaterThan(3);
  });

  test("take what is ready rather than fail", () => {
    const { clock, connector, channel, resolver } = channelHarness({ queueTimeoutMs: 60 });
    const rpc = startRpc(channel);
    resolver.endpoints(pods(8));
    clock.tick(40);
    connector.latest("pod-1").becomeReady();
    expect(rpc.settled).toBe(0);
    clock.tick(20);
    expect(rpc.outcome).toBe("pod-1");
  });

  test("leave no timer behind", async () => {
    const { clock, connector, channel } = waiting(8);
    connector.latest("pod-1").becomeReady();
    channel.destroy();
    expect(clock.pending).toBe(0);
  });
});

describe("of a large set, what becomes ready", () => {
  function connected(count: number) {
    const made = { pickers: 0 };
    const policy: Policy = (previous, candidates, context) => {
      made.pickers++;
      return roundRobin()(previous, candidates, context);
    };
    const harness = readyChannel(pods(count), { policy });
    becomeReady(harness.connector);
    harness.clock.tick(40);
    return { ...harness, made };
  }

  function becomeReady(connector: ScriptedConnector): void {
    // as some become ready, others are dialled
    for (;;) {
      const next = connector.open.find(({ state }) => state === "connecting");
      if (next === undefined) return;
      next.becomeReady();
    }
  }

  test("is picked with what else becomes ready within 20 ms", () => {
    const { made, clock, connector, channel, resolver } = connected(256);
    const before = made.pickers;
    resolver.endpoints(pods(276));
    becomeReady(connector);
    expect(made.pickers).toBe(before + 1); // for the new set
    clock.tick(20);
    expect(made.pickers).toBe(before + 2);
    const picked = new Set(Array.from({ length: 276 }, () => startRpc(channel).outcome));
    expect(picked.size).toBe(276);
  });

  test("does not delay what is lost", () => {
    const { made, clock, connector, channel } = connected(300);
    const before = made.pickers;
    connector.latest("pod-7").lose(new Error("reset"));
    expect(made.pickers).toBe(before + 1);
    const picked = new Set(Array.from({ length: 299 }, () => startRpc(channel).outcome));
    expect(picked.has("pod-7")).toBe(false);
    channel.destroy();
    expect(clock.pending).toBe(0);
  });
});
