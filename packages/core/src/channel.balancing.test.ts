import { describe, expect, test } from "vitest";
import { readyChannel } from "../test-helpers/channel.ts";
import { keysOf, pod, pods } from "../test-helpers/endpoints.ts";
import { collect } from "../test-helpers/events.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import type { Channel } from "./channel.ts";
import type { ChannelOptions } from "./channel-options.ts";
import type { Connection } from "./connection/connection.ts";
import { StatusCode } from "./errors.ts";
import { rendezvousSubset } from "./subset/rendezvous-subset.ts";

/** Sends RPCs one after another; those on `bad` fail. Returns where they went. */
function send(channel: Channel, rpcs: number, bad?: string): string[] {
  return Array.from({ length: rpcs }, () => {
    const { connection, stream } = startRpc(channel) as ReturnType<typeof startRpc> & { connection: Connection };
    const { key } = connection.endpoint;
    stream?.cancel(new Error("done"));
    const code = key === bad ? StatusCode.internal : StatusCode.ok;
    channel.report(connection, { path: "" }, { code, fate: "answered", firstByteMs: 1, durationMs: 1 });
    return key;
  });
}

describe("outlier detection", () => {
  test("leaves an endpoint out that fails, shows it, tells it, and lets it return", () => {
    const events = collect("endpoint.ejection");
    const told: string[] = [];
    const { clock, channel } = readyChannel(pods(3), {
      policy: inTurn,
      outlierDetection: { baseEjectionTimeMs: 20_000, onEjection: ({ kind }) => told.push(kind) },
    });
    send(channel, 15, "pod-2");
    expect(told).toEqual(["ejected"]);
    expect(send(channel, 30)).not.toContain("pod-2");
    expect(channel.snapshot().endpoints.map(({ ejected }) => ejected)).toEqual([undefined, true, undefined]);
    clock.tick(40_000);
    expect(send(channel, 300)).toContain("pod-2");
    expect(channel.snapshot().endpoints.map(({ ejected }) => ejected)).toEqual([undefined, undefined, undefined]);
    expect(events).toMatchObject([
      { target: "http://orders:8080", kind: "ejected", endpoint: { key: "pod-2" }, reason: "consecutiveFailures" },
      { target: "http://orders:8080", kind: "returned", endpoint: { key: "pod-2" } },
    ]);
    expect(told).toEqual(["ejected", "returned"]);
  });

  test("keeps an endpoint out that is dialled anew", () => {
    const { clock, channel, connector } = readyChannel(pods(3), { policy: inTurn, outlierDetection: {} });
    clock.tick(1_000);
    send(channel, 15, "pod-2");
    connector.latest("pod-2").sendGoaway();
    connector.latest("pod-2").becomeReady();
    expect(send(channel, 30)).not.toContain("pod-2");
  });
});

test("slow start gives an endpoint that joins less at first, and all of it later", () => {
  const { clock, channel, connector, resolver } = readyChannel(pods(2), {
    policy: inTurn,
    slowStart: { windowMs: 10_000 },
  });
  clock.tick(60_000);
  resolver.endpoints(pods(3));
  connector.latest("pod-3").becomeReady();
  const share = (): number => send(channel, 3_000).filter((key) => key === "pod-3").length / 1_000;
  expect(share()).toBeCloseTo(0.14, 1); // 0.1 of 2.1
  clock.tick(5_000);
  expect(share()).toBeCloseTo(0.6, 1); // 0.5 of 2.5
  clock.tick(5_000);
  expect(share()).toBeCloseTo(1, 1);
});

test("a locality keeps RPCs in the zone", () => {
  const zones = ["a", "a", "b", "b"].map((zone, index) => pod(index + 1, { zone }));
  const { channel } = readyChannel(zones, { policy: inTurn, locality: { zone: "b", remoteProbeFraction: 0 } });
  expect(new Set(send(channel, 100))).toEqual(new Set(["pod-3", "pod-4"]));
});

test("a subset is all that is connected to", () => {
  const { connector, resolver } = readyChannel(pods(20), { subset: rendezvousSubset({ size: 5, clientId: "me" }) });
  expect(connector.dials).toHaveLength(5);
  const before = new Set(connector.open);
  resolver.endpoints(pods(21));
  expect(connector.open.filter((each) => !before.has(each)).length).toBeLessThanOrEqual(1);
  expect(new Set(keysOf(connector.open.map(({ endpoint }) => endpoint))).size).toBe(connector.open.length);
});

describe("a channel's options", () => {
  test.each<[string, object]>([
    ["outlierDetection", { outlierDetection: null }],
    ["intervalMs", { outlierDetection: { intervalMs: -1 } }],
    ["onEjection", { outlierDetection: { onEjection: "loud" } }],
    ["windowMs", { slowStart: { windowMs: 0 } }],
    ["zones", { locality: { zones: "a" } }],
    ["subset", { subset: 5 }],
    ["policy", { policy: "roundRobin" }],
    ["polices", { polices: inTurn }],
    ["waitForReady", { waitForReady: "yes" }],
    ["ratio", { retryBudget: { ratio: -1 } }],
  ])("name what is wrong: %s", (name, options) => {
    expect(() => readyChannel(pods(1), options as Partial<ChannelOptions>)).toThrow(name);
  });
});
