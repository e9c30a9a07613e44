import { describe, expect, test } from "vitest";
import { readyChannel } from "../../test-helpers/channel.ts";
import { pods } from "../../test-helpers/endpoints.ts";
import { type Rpc, startRpc } from "../../test-helpers/rpc.ts";

const limit = { maxStreams: 2 };

/** One endpoint whose connections take two streams, of which there may be three. */
function limited(maxConnectionsPerEndpoint = 3) {
  const harness = readyChannel(pods(1), { maxConnectionsPerEndpoint });
  const { channel, connector } = harness;
  connector.latest("pod-1").changeMaxStreams(limit.maxStreams);
  const start = (count: number): Rpc[] => Array.from({ length: count }, () => startRpc(channel));
  const shown = () => {
    const { connection, furtherConnections = [] } = channel.snapshot().endpoints[0] ?? {};
    return [connection, ...furtherConnections].map((each) => each?.inFlight);
  };
  return { ...harness, start, shown };
}

function finish(rpcs: Iterable<Rpc>): void {
  for (const { stream } of rpcs) stream?.cancel(new Error("finished"));
}

describe("an endpoint that may have several connections", () => {
  test("has one while that has room", () => {
    const { connector, start } = limited();
    start(2);
    expect(connector.dials).toEqual(["pod-1"]);
  });

  test("gets a further one for the RPCs that find it full, and one after another while they are full as well", () => {
    const { connector, start, shown } = limited();
    const rpcs = start(5);
    expect(connector.dials).toHaveLength(2);
    expect(rpcs.map(({ settled }) => settled)).toEqual([1, 1, 0, 0, 0]);
    connector.latest("pod-1").becomeReady(limit);
    expect(rpcs.map(({ settled }) => settled)).toEqual([1, 1, 1, 1, 0]);
    expect(connector.dials).toHaveLength(3);
    connector.latest("pod-1").becomeReady(limit);
    expect(shown()).toEqual([2, 2, 1]);
    start(2);
    expect(connector.dials).toHaveLength(3);
  });

  test("does not, without the option", () => {
    const { connector, start } = limited(1);
    start(9);
    expect(connector.dials).toEqual(["pod-1"]);
  });

  test("counts as one for its policy, with the RPCs of all its connections", () => {
    const { connector, channel } = readyChannel(pods(2), { maxConnectionsPerEndpoint: 2 });
    for (const connection of connector.open) connection.changeMaxStreams(4);
    for (let rpc = 0; rpc < 8; rpc++) startRpc(channel);
    startRpc(channel);
    const [grown] = connector.open.filter(({ state }) => state === "connecting");
    grown?.becomeReady({ maxStreams: 4 });
    const picks = Array.from({ length: 3 }, () => startRpc(channel).outcome);
    // the endpoint with nine goes on to ten only when the other one is full
    expect(picks).toEqual(Array(3).fill(grown?.endpoint.key));
    expect(
      channel
        .snapshot()
        .endpoints.map(({ connection, furtherConnections = [] }) => [
          connection?.inFlight,
          furtherConnections.map(({ inFlight }) => inFlight),
        ]),
    ).toContainEqual([4, [4]]);
  });

  test("closes those that had nothing to do for a while, and never its last", () => {
    const { clock, connector, start } = limited();
    const rpcs = start(6);
    connector.latest("pod-1").becomeReady(limit);
    connector.latest("pod-1").becomeReady(limit);
    finish(rpcs.slice(2));
    clock.tick(29_999);
    expect(connector.open).toHaveLength(3);
    clock.tick(30_001);
    expect(connector.open).toHaveLength(1);
    finish(rpcs);
    clock.tick(300_000);
    expect(connector.open).toHaveLength(1);
  });

  test("keeps those that are used now and then", () => {
    const { clock, connector, start } = limited();
    const rpcs = start(4);
    connector.latest("pod-1").becomeReady(limit);
    const further = connector.open[1];
    for (let second = 0; second < 200; second++) {
      finish(rpcs.splice(2));
      clock.tick(1_000);
      rpcs.push(...start(2));
    }
    expect(connector.open[1]).toBe(further);
  });

  test("counts the RPCs of connections that ended in bad order, for as long as they go on", () => {
    const { connector, channel, start } = limited();
    start(4);
    connector.latest("pod-1").becomeReady(limit);
    const counts = (): number => channel.snapshot().draining.reduce((sum, { inFlight }) => sum + inFlight, 0);
    connector.open[0]?.sendGoaway({ errorCode: 2 });
    expect(counts()).toBe(2);
    const other = readyChannel(pods(2), { maxConnectionsPerEndpoint: 3 });
    for (const connection of other.connector.open) connection.changeMaxStreams(10);
    for (let rpc = 0; rpc < 24; rpc++) startRpc(other.channel);
    for (const connection of other.connector.open) if (connection.state === "connecting") connection.becomeReady(limit);
    const first = other.connector.open[0];
    first?.sendGoaway({ errorCode: 2 });
    const next = Array.from({ length: 2 }, () => startRpc(other.channel).outcome);
    expect(next).not.toContain(first?.endpoint.key);
  });

  test("gives no suspect connection while others have room", () => {
    const { connector, channel } = readyChannel(pods(2), { maxConnectionsPerEndpoint: 2 });
    for (const connection of connector.open) connection.changeMaxStreams(2);
    for (let rpc = 0; rpc < 6; rpc++) startRpc(channel);
    for (const connection of connector.open)
      if (connection.state === "connecting") connection.becomeReady({ maxStreams: 9 });
    const grown = connector.open.filter(({ endpoint }) => endpoint.key === "pod-1");
    grown[1]?.changeSuspect(true);
    const before = grown[1]?.inFlight;
    for (let rpc = 0; rpc < 4; rpc++) startRpc(channel);
    expect(grown[1]?.inFlight).toBe(before);
  });

  test("goes on with a further one when the first is lost, and dials no more than it needs", () => {
    const { clock, connector, channel, start } = limited();
    const rpcs = start(3);
    connector.latest("pod-1").becomeReady(limit);
    const [first] = connector.open;
    first?.lose(new Error("reset"));
    expect(channel.state).toBe("ready");
    expect(startRpc(channel).settled).toBe(1);
    finish(rpcs);
    clock.tick(60_000);
    expect(connector.open).toHaveLength(1);
  });

  test("gives up a further one that cannot be dialled, and tries again for RPCs a second later", () => {
    const { clock, connector, start } = limited();
    start(3);
    connector.latest("pod-1").refuse(new Error("refused"));
    expect(connector.open).toHaveLength(1);
    clock.tick(999);
    start(1);
    expect(connector.dials).toHaveLength(2);
    clock.tick(1);
    start(1);
    expect(connector.dials).toHaveLength(3);
  });

  test("drains all of them when it leaves the set", async () => {
    const { connector, resolver, channel, start } = limited();
    const rpcs = start(4);
    connector.latest("pod-1").becomeReady(limit);
    resolver.endpoints([]);
    expect(connector.open.map(({ draining }) => draining)).toEqual([true, true]);
    finish(rpcs);
    expect(connector.open).toEqual([]);
    await channel.close();
  });
});

test.each([0, 101, 1.5, Number.NaN])("maxConnectionsPerEndpoint refuses %d", (maxConnectionsPerEndpoint) => {
  expect(() => readyChannel([], { maxConnectionsPerEndpoint })).toThrow(
    /^maxConnectionsPerEndpoint: expected an integer/,
  );
});
