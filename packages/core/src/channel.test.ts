import { FakeClock, ScriptedConnector } from "@evenkeel/testing";
import { describe, expect, test, vi } from "vitest";
import { channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pod, pods } from "../test-helpers/endpoints.ts";
import { callOn, collect } from "../test-helpers/events.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { isSettled } from "../test-helpers/promises.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import { type Channel, createChannel } from "./channel.ts";
import type { Connection } from "./connection/connection.ts";
import { StatusCode } from "./errors.ts";
import type { ResolverFactory, ResolverListener } from "./resolver/resolver.ts";

describe("a channel that was made", () => {
  test("does nothing", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.resolveNow();
    expect(channel.state).toBe("idle");
    expect(resolver.starts).toBe(0);
    expect(connector.dials).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("starts once, by connect, by ready or by the first RPC", () => {
    const starts: ((channel: Channel) => void)[] = [
      (channel) => channel.connect(),
      (channel) => void channel.ready(),
      (channel) => startRpc(channel),
    ];
    for (const start of starts) {
      const { connector, resolver, channel } = channelHarness();
      start(channel);
      start(channel);
      expect(channel.state).toBe("connecting");
      expect(resolver.starts).toBe(1);
      resolver.endpoints(pods(2));
      start(channel);
      expect(connector.dials).toEqual(["pod-1", "pod-2"]);
    }
  });

  test("holds the process with no timer but that of an RPC that waits", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(2));
    connector.latest("pod-1").refuse(new Error("refused"));
    expect(clock.pending).toBeGreaterThan(0);
    expect(clock.pendingRef).toBe(0);
    startRpc(channel);
    expect(clock.pendingRef).toBe(1);
  });

  test.each([
    ["connectTimeoutMs", 0, RangeError],
    ["queueTimeoutMs", -1, RangeError],
    ["idleTimeoutMs", Number.NaN, TypeError],
    ["drainTimeoutMs", "5" as unknown as number, TypeError],
  ] as const)("refuses %s: %s", (name, value, type) => {
    const make = (): Channel =>
      createChannel({ target: "http://orders", connector: new ScriptedConnector(), [name]: value });
    expect(make).toThrow(type);
    expect(make).toThrow(name);
  });

  test("refuses a malformed target", () => {
    const make = (): Channel => createChannel({ target: "orders:8080", connector: new ScriptedConnector() });
    expect(make).toThrow(TypeError);
  });
});

describe("the resolver of a channel", () => {
  test("gets the target, the clock and the random numbers", () => {
    const clock = new FakeClock();
    const random = (): number => 0.5;
    const factory = vi.fn<ResolverFactory>(() => ({ resolveNow() {}, close() {} }));
    const { channel } = channelHarness({ resolver: factory, clock, random });
    channel.connect();
    expect(factory.mock.calls).toEqual([[channel.target, expect.any(Function), { clock, random }]]);
    expect(channel.target).toMatchObject({ host: "orders", port: 8080 });
  });

  test("may tell its set before its factory returns", () => {
    const { connector, channel } = channelHarness({ first: { kind: "endpoints", endpoints: pods(2) } });
    const rpc = startRpc(channel);
    expect(connector.dials).toEqual(["pod-1", "pod-2"]);
    connector.latest("pod-1").becomeReady();
    expect(rpc.outcome).toBe("pod-1");
  });

  test("may fail before its factory returns", () => {
    const { channel } = channelHarness({ first: { kind: "error", error: new Error("SERVFAIL") } });
    expect(startRpc(channel).outcome).toBe("http://orders:8080: its endpoints could not be learnt: SERVFAIL");
  });

  test("that fails first fails the RPCs that wait, with its error as the cause", () => {
    const { resolver, channel } = channelHarness();
    const waiting = startRpc(channel);
    const error = new Error("getaddrinfo ENOTFOUND orders");
    resolver.push({ kind: "error", error });
    const message = "http://orders:8080: its endpoints could not be learnt: getaddrinfo ENOTFOUND orders";
    expect(waiting.error).toMatchObject({ code: StatusCode.unavailable, message, cause: error });
    expect(channel.state).toBe("transientFailure");
    expect(startRpc(channel).outcome).toBe(message);
  });

  test("that fails first, and then finds endpoints, is forgiven", () => {
    const { connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.error("SERVFAIL");
    resolver.endpoints(pods(1));
    const rpc = startRpc(channel);
    connector.latest("pod-1").becomeReady();
    expect(rpc.outcome).toBe("pod-1");
    expect(channel.snapshot().resolverError).toBeUndefined();
  });

  test("that fails after a good answer leaves the last good set in use, and says why in the snapshot", () => {
    const { connector, resolver, channel } = readyChannel(pods(2));
    resolver.error("SERVFAIL");
    expect(connector.open).toHaveLength(2);
    expect(startRpc(channel).connection).toBeDefined();
    expect(channel.snapshot()).toMatchObject({ state: "ready", resolverError: "SERVFAIL" });
    resolver.endpoints(pods(2));
    expect(channel.snapshot().resolverError).toBeUndefined();
  });

  test("that finds an empty set takes the endpoints away", () => {
    const { connector, resolver, channel } = readyChannel(pods(2));
    resolver.endpoints([]);
    expect(connector.open).toEqual([]);
    expect(channel.state).toBe("transientFailure");
  });

  test("that finds that the target does not exist takes the endpoints away, and says so", () => {
    const { connector, resolver, channel } = readyChannel(pods(2));
    resolver.notFound('Service "orders" not found');
    expect(connector.open).toEqual([]);
    const message = 'http://orders:8080: its endpoints could not be learnt: Service "orders" not found';
    expect(startRpc(channel).outcome).toBe(message);
    resolver.error("SERVFAIL");
    expect(startRpc(channel).outcome).toContain("SERVFAIL");
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect(startRpc(channel).outcome).toBe("pod-1");
  });

  test.each([
    ["an error", new Error("no credentials"), "no credentials"],
    ["something else", "no credentials at all", "no credentials at all"],
  ])("whose factory throws %s fails RPCs with that", (_name, thrown, text) => {
    const { clock, channel } = channelHarness({
      resolver: () => {
        throw thrown;
      },
      idleTimeoutMs: Number.POSITIVE_INFINITY,
    });
    const rpc = startRpc(channel);
    expect(rpc.outcome).toBe(`http://orders:8080: its endpoints could not be learnt: ${text}`);
    channel.resolveNow();
    channel.destroy();
    expect(clock.pending).toBe(0);
  });

  test("is hinted when a connection is refused, lost or told to go", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(3));
    connector.latest("pod-1").refuse(new Error("refused"));
    expect(resolver.hints).toBe(1);
    connector.latest("pod-2").becomeReady();
    connector.latest("pod-3").becomeReady();
    clock.tick(700); // before the next dial of pod-1
    connector.latest("pod-2").lose(new Error("ECONNRESET"));
    expect(resolver.hints).toBe(2);
    connector.latest("pod-3").sendGoaway();
    expect(resolver.hints).toBe(3);
    channel.resolveNow();
    expect(resolver.hints).toBe(4);
  });

  test("may tell a new set in the middle of a hint", () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(2));
    clock.tick(5_000);
    resolver.onHint = () => resolver.endpoints([pod(2)]);
    connector.latest("pod-1").sendGoaway();
    expect(connector.open).toEqual([connector.latest("pod-2")]);
    expect(channel.snapshot().endpoints.map(({ key }) => key)).toEqual(["pod-2"]);
  });

  test("is not heard any more once the channel is closed", async () => {
    const { connector, resolver, channel } = readyChannel(pods(1));
    await channel.close();
    const updates = collect("resolver.update");
    resolver.endpoints(pods(5));
    resolver.error("late");
    expect(resolver.closes).toBe(1);
    expect(connector.dials).toEqual(["pod-1"]);
    expect(updates).toEqual([]);
    expect(channel.state).toBe("shutdown");
  });

  test("is closed also when the channel is closed while its factory runs", () => {
    let listener: ResolverListener | undefined;
    let closes = 0;
    const { clock, connector, channel }: ReturnType<typeof channelHarness> = channelHarness({
      resolver: (_target, tell) => {
        listener = tell;
        channel.destroy();
        return { resolveNow() {}, close: () => void closes++ };
      },
    });
    channel.connect();
    listener?.({ kind: "endpoints", endpoints: pods(1) });
    expect(closes).toBe(1);
    expect(connector.dials).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe("ready()", () => {
  test("resolves when an RPC would find a connection", async () => {
    const { connector, resolver, channel } = channelHarness();
    const ready = channel.ready();
    resolver.endpoints(pods(2));
    expect(await isSettled(ready)).toBe(false);
    connector.latest("pod-2").becomeReady();
    await ready;
    await channel.ready();
    expect(connector.latest("pod-2").streams).toEqual([]);
  });

  test("rejects with what an RPC would fail with", async () => {
    const { resolver, channel } = channelHarness();
    const ready = channel.ready();
    resolver.error("SERVFAIL");
    await expect(ready).rejects.toMatchObject({
      name: "StatusError",
      code: StatusCode.unavailable,
      message: "http://orders:8080: its endpoints could not be learnt: SERVFAIL",
    });
  });

  test("rejects with the reason of a signal that aborts", async () => {
    const { channel } = channelHarness();
    const abort = new AbortController();
    const ready = channel.ready(abort.signal);
    const reason = new Error("too slow");
    abort.abort(reason);
    await expect(ready).rejects.toBe(reason);
  });
});

describe("the state of a channel", () => {
  test("is that of its best connection", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    const states = [channel.state];
    const note = (): void => void states.push(channel.state);
    channel.connect();
    note();
    resolver.endpoints(pods(2));
    note();
    connector.latest("pod-1").refuse(new Error("refused"));
    note();
    connector.latest("pod-2").becomeReady();
    note();
    clock.tick(500);
    connector.latest("pod-2").lose(new Error("ECONNRESET"));
    note();
    channel.destroy();
    note();
    expect(states).toEqual(["idle", "connecting", "connecting", "connecting", "ready", "transientFailure", "shutdown"]);
  });
});

describe("a report", () => {
  test("counts the attempt, for its connection and in all, and is published", () => {
    const events = collect("attempt.end");
    const { channel } = readyChannel(pods(2), { policy: inTurn });
    const { connection } = startRpc(channel) as { connection: Connection };
    const good = { code: 0, fate: "answered", firstByteMs: 3, durationMs: 4 } as const;
    const bad = { code: 14, fate: "ambiguous", firstByteMs: undefined, durationMs: 9 } as const;
    channel.report(connection, { path: "/demo.v1.Demo/Call" }, good);
    channel.report(connection, { path: "/demo.v1.Demo/Call" }, bad);
    expect(channel.snapshot()).toMatchObject({
      totals: { attempts: 2, succeeded: 1, failed: 1 },
      endpoints: [{ connection: { attempts: 2, failed: 1 } }, { connection: { attempts: 0, failed: 0 } }],
    });
    const common = {
      target: "http://orders:8080",
      endpoint: pod(1),
      connection: connection.label,
      path: "/demo.v1.Demo/Call",
    };
    expect(events).toEqual([
      { ...common, outcome: good },
      { ...common, outcome: bad },
    ]);
  });
});

describe("a channel's events", () => {
  test("tell what the resolver says, in the order in which it says it", () => {
    const events = collect("resolver.update");
    const { resolver, channel } = channelHarness();
    channel.connect();
    resolver.error("SERVFAIL");
    resolver.endpoints(pods(1));
    resolver.notFound("gone");
    expect(events.map(({ target, update }) => [target, update.kind])).toEqual([
      ["http://orders:8080", "error"],
      ["http://orders:8080", "endpoints"],
      ["http://orders:8080", "notFound"],
    ]);
  });

  test("tell the life of a connection", () => {
    const order: string[] = [];
    for (const name of ["connection.ready", "connection.goaway", "connection.closed"] as const) {
      callOn(name, ({ connection }) => order.push(`${name} ${connection}`));
    }
    const { clock, connector, channel } = readyChannel(pods(1));
    clock.tick(2_000);
    connector.latest("pod-1").sendGoaway();
    connector.latest("pod-1").becomeReady();
    channel.destroy();
    const [first, second] = connector.connections.map(({ label }) => label);
    expect(order).toEqual([
      `connection.ready ${first}`,
      `connection.goaway ${first}`,
      `connection.closed ${first}`,
      `connection.ready ${second}`,
      `connection.closed ${second}`,
    ]);
  });
});
