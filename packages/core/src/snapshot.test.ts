import { describe, expect, test } from "vitest";
import { type ChannelHarness, channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pod, pods } from "../test-helpers/endpoints.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import { createEndpoint } from "./endpoint/endpoint.ts";

describe("the snapshot of a channel", () => {
  const states: Record<string, () => ChannelHarness> = {
    idle: () => channelHarness(),
    resolving: () => {
      const harness = channelHarness();
      startRpc(harness.channel);
      return harness;
    },
    "resolver failed": () => channelHarness({ first: { kind: "error", error: new Error("SERVFAIL") } }),
    "not found": () => {
      const harness = readyChannel(pods(1));
      harness.resolver.notFound("gone");
      return harness;
    },
    connecting: () => {
      const harness = channelHarness();
      harness.channel.connect();
      harness.resolver.endpoints(pods(40));
      return harness;
    },
    "in backoff": () => {
      const harness = channelHarness();
      harness.channel.connect();
      harness.resolver.endpoints([createEndpoint({ host: "::1", port: 80 })]);
      harness.connector.open[0]?.refuse(new Error("refused"));
      return harness;
    },
    ready: () => {
      const harness = readyChannel(pods(3));
      startRpc(harness.channel);
      return harness;
    },
    draining: () => {
      const harness = readyChannel(pods(1));
      startRpc(harness.channel);
      harness.resolver.endpoints([pod(2)]);
      harness.resolver.error("SERVFAIL");
      return harness;
    },
    closing: () => {
      const harness = readyChannel(pods(1));
      startRpc(harness.channel);
      void harness.channel.close();
      return harness;
    },
    destroyed: () => {
      const harness = readyChannel(pods(1));
      harness.channel.destroy();
      return harness;
    },
  };

  test.each(Object.keys(states))("is plain JSON: %s", (name) => {
    const snapshot = states[name]?.().channel.snapshot();
    expect(JSON.parse(JSON.stringify(snapshot))).toStrictEqual(snapshot);
  });

  test("shows endpoints, connections, what drains, what waits and the last errors", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints([pod(1), pod(2), createEndpoint({ host: "::1", port: 80 }), pod(4)]);
    connector.latest("pod-1").becomeReady({ maxStreams: 1 });
    connector.latest("pod-2").becomeReady({ maxStreams: 1 });
    connector.latest("[::1]:80").refuse(new Error("ECONNREFUSED"));
    for (let rpc = 0; rpc < 3; rpc++) startRpc(channel);
    resolver.endpoints([pod(1), createEndpoint({ host: "::1", port: 80 }), pod(4)]);
    resolver.error("SERVFAIL");
    clock.tick(1);
    const label = (number: number): string => connector.latest(`pod-${number}`).label;
    expect(channel.snapshot()).toStrictEqual({
      target: "http://orders:8080",
      state: "ready",
      endpoints: [
        {
          key: "pod-1",
          address: "10.0.0.1:8080",
          podName: "pod-1",
          state: "ready",
          connection: { label: label(1), inFlight: 1, suspect: false, attempts: 0, failed: 0 },
        },
        { key: "[::1]:80", address: "[::1]:80", state: "transientFailure", lastError: "ECONNREFUSED" },
        { key: "pod-4", address: "10.0.0.4:8080", podName: "pod-4", state: "connecting" },
      ],
      draining: [{ label: label(2), inFlight: 1, suspect: false, attempts: 0, failed: 0 }],
      queued: 1,
      totals: { attempts: 0, succeeded: 0, failed: 0 },
      resolverError: "SERVFAIL",
    });
  });

  test("is not changed by what happens later", () => {
    const { connector, channel } = readyChannel(pods(1));
    const before = channel.snapshot();
    const copy = structuredClone(before);
    startRpc(channel);
    channel.report(
      connector.latest("pod-1"),
      { path: "/" },
      { code: 2, fate: "answered", firstByteMs: 1, durationMs: 1 },
    );
    channel.destroy();
    expect(before).toEqual(copy);
  });
});
