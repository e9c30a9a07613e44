import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { CheckedConnector } from "../test-helpers/checked-connector.ts";
import { pods } from "../test-helpers/endpoints.ts";
import { collect } from "../test-helpers/events.ts";
import { ManualResolver } from "../test-helpers/manual-resolver.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import { Channel } from "./channel.ts";
import type { ChannelOptions } from "./channel-options.ts";

/** A channel to `pod-1` to `pod-<count>`: all of them are connected, and their health is pending. */
function checkedChannel(count: number, options: Partial<ChannelOptions> = {}) {
  const clock = new FakeClock();
  const connector = new CheckedConnector();
  const resolver = new ManualResolver();
  const channel = new Channel({
    target: "http://orders:8080",
    connector,
    resolver: resolver.factory,
    policy: inTurn,
    clock,
    random: () => 0.5,
    ...options,
  });
  channel.connect();
  resolver.endpoints(pods(count));
  for (const connection of connector.open) connection.becomeReady();
  return { clock, connector, resolver, channel };
}

describe("a connection whose health", () => {
  test("is pending takes no RPC, and RPCs wait for it as for a dial", () => {
    const { clock, connector, channel } = checkedChannel(1);
    expect(channel.state).toBe("connecting");
    const rpc = startRpc(channel);
    clock.tick(10_000);
    expect(rpc.settled).toBe(0);
    expect(connector.dials).toHaveLength(1); // it is connected: the dial's timeout is over
    connector.say("pod-1", "healthy");
    expect(rpc.outcome).toBe("pod-1");
    expect(channel.state).toBe("ready");
  });

  test("is bad is not picked from that moment on, and stays open with its streams", () => {
    const { connector, channel } = checkedChannel(2);
    connector.say("pod-1", "healthy");
    connector.say("pod-2", "healthy");
    const before = [startRpc(channel), startRpc(channel)];
    expect(before.map(({ outcome }) => outcome)).toEqual(["pod-1", "pod-2"]);
    connector.say("pod-1", "unhealthy");
    expect([1, 2, 3].map(() => startRpc(channel).outcome)).toEqual(["pod-2", "pod-2", "pod-2"]);
    expect(connector.latest("pod-1")).toMatchObject({ state: "ready", inFlight: 1, draining: false });
    expect(before[0]?.end).toBeUndefined();
    connector.say("pod-1", "healthy");
    expect(new Set([startRpc(channel).outcome, startRpc(channel).outcome])).toEqual(new Set(["pod-1", "pod-2"]));
  });

  test("is bad everywhere fails RPCs, with a message that says so", () => {
    const { clock, connector, channel } = checkedChannel(2);
    connector.say("pod-1", "unhealthy", "it is NOT_SERVING");
    clock.tick(1);
    const waits = startRpc(channel);
    expect(waits.settled).toBe(0);
    connector.say("pod-2", "unhealthy", "it is NOT_SERVING, too");
    const message =
      "http://orders:8080: no connection to any of pod-1 (10.0.0.1:8080), pod-2 (10.0.0.2:8080) is healthy; " +
      "last error: connection 2 to pod-2 (10.0.0.2:8080) is unhealthy: it is NOT_SERVING, too";
    expect(waits.error).toMatchObject({ code: 14, message });
    expect(channel.state).toBe("transientFailure");
    clock.tick(5_000);
    expect(startRpc(channel).error).toMatchObject({ code: 14, message });
    expect(connector.dials).toHaveLength(2);
  });

  test("is bad while the other endpoints refuse is told from that", () => {
    const { clock, connector, channel } = checkedChannel(2);
    connector.latest("pod-2").lose(new Error("ECONNRESET"));
    clock.tick(1);
    connector.say("pod-1", "unhealthy", "it is NOT_SERVING");
    expect(startRpc(channel).outcome).toContain("is ready and healthy; last error: connection 1 to pod-1");
  });

  test("is bad everywhere keeps RPCs waiting that wait for a ready connection", () => {
    const { connector, channel } = checkedChannel(1, { waitForReady: true });
    connector.say("pod-1", "unhealthy");
    const rpc = startRpc(channel);
    expect(rpc.settled).toBe(0);
    connector.say("pod-1", "healthy");
    expect(rpc.outcome).toBe("pod-1");
  });

  test("is bad is passed over for one that is suspect", () => {
    const { connector, channel } = checkedChannel(2);
    connector.say("pod-1", "unhealthy");
    connector.say("pod-2", "healthy");
    connector.latest("pod-2").changeSuspect(true);
    expect(startRpc(channel).outcome).toBe("pod-2");
  });

  test("is pending after failed dials does not make RPCs wait again", () => {
    const { clock, connector, channel } = checkedChannel(1);
    connector.latest("pod-1").lose(new Error("ECONNRESET"));
    clock.tick(1_000);
    connector.latest("pod-1").becomeReady();
    expect(channel.state).toBe("transientFailure");
    expect(startRpc(channel).error?.message).toContain("ECONNRESET");
    connector.say("pod-1", "healthy");
    expect(startRpc(channel).outcome).toBe("pod-1");
  });

  test("is pending again makes RPCs wait, whatever failed before it was good", () => {
    const { clock, connector, channel } = checkedChannel(1);
    connector.latest("pod-1").lose(new Error("ECONNRESET"));
    clock.tick(1_000);
    connector.latest("pod-1").becomeReady();
    connector.say("pod-1", "healthy");
    clock.tick(60_000);
    connector.say("pod-1", "pending");
    expect(channel.state).toBe("connecting");
    const rpc = startRpc(channel);
    expect(rpc.settled).toBe(0);
    connector.say("pod-1", "healthy");
    expect(rpc.outcome).toBe("pod-1");
  });
});

test("streams on unhealthy and suspect connections keep the channel from going idle", () => {
  const { clock, connector, channel } = checkedChannel(3, { idleTimeoutMs: 60_000 });
  for (const key of ["pod-1", "pod-2", "pod-3"]) connector.say(key, "healthy");
  const [first, second] = [startRpc(channel), startRpc(channel)];
  connector.say("pod-1", "unhealthy");
  connector.latest("pod-2").changeSuspect(true);
  clock.tick(300_000);
  expect([first?.end, second?.end, channel.state]).toEqual([undefined, undefined, "ready"]);
  connector.latest("pod-1").lastStream.respond();
  connector.latest("pod-1").lastStream.complete();
  clock.tick(300_000);
  expect(channel.state).toBe("ready");
  connector.latest("pod-2").lastStream.respond();
  connector.latest("pod-2").lastStream.complete();
  clock.tick(120_000);
  expect(channel.state).toBe("idle");
});

test("snapshots and events show the health of connections", () => {
  const events = collect("connection.health");
  const { connector, channel } = checkedChannel(1);
  expect(channel.snapshot().endpoints[0]).toMatchObject({
    state: "connecting",
    connection: { health: { state: "pending" } },
  });
  connector.say("pod-1", "healthy", "SERVING");
  expect(channel.snapshot().endpoints[0]).toMatchObject({ state: "ready" });
  expect(channel.snapshot().endpoints[0]).not.toHaveProperty("lastError");
  connector.say("pod-1", "unhealthy", "NOT_SERVING");
  const { label } = connector.latest("pod-1");
  const endpoint = channel.snapshot().endpoints[0];
  expect(endpoint).toMatchObject({ state: "transientFailure", lastError: `${label} is unhealthy: NOT_SERVING` });
  expect(endpoint?.connection?.health).toStrictEqual({ state: "unhealthy", reason: "NOT_SERVING" });
  expect(JSON.parse(JSON.stringify(endpoint))).toStrictEqual(endpoint);
  connector.say("pod-1", "healthy", "SERVING");
  expect(channel.snapshot().endpoints[0]).not.toHaveProperty("lastError");
  expect(events.map(({ connection, state, reason }) => [connection, state, reason])).toEqual([
    [label, "healthy", "SERVING"],
    [label, "unhealthy", "NOT_SERVING"],
    [label, "healthy", "SERVING"],
  ]);
});
