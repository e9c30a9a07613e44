import { FakeClock, ScriptedConnector, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pod, pods } from "../test-helpers/endpoints.ts";
import { inTurn } from "../test-helpers/policies.ts";
import { Rpc, startRpc } from "../test-helpers/rpc.ts";
import { openStream } from "../test-helpers/streams.ts";
import { Channel } from "./channel.ts";
import type { Connection } from "./connection/connection.ts";
import { StatusCode, StatusError } from "./errors.ts";
import type { Policy } from "./policy/policy.ts";

function finish(rpc: Rpc): void {
  rpc.stream?.cancel(new Error("finished"));
}

describe("an RPC while connections are made", () => {
  test("waits until the first is ready, and not for the others", () => {
    const { connector, resolver, channel } = channelHarness();
    const rpc = startRpc(channel);
    expect(rpc.settled).toBe(0);
    resolver.endpoints(pods(3));
    expect(rpc.settled).toBe(0);
    connector.latest("pod-2").becomeReady();
    expect(rpc.outcome).toBe("pod-2");
    expect(startRpc(channel).outcome).toBe("pod-2");
  });

  test("waits on while some failed, and others are connecting for the first time", () => {
    const { connector, resolver, channel } = channelHarness();
    const rpc = startRpc(channel);
    resolver.endpoints(pods(3));
    connector.latest("pod-1").refuse(new Error("refused"));
    connector.latest("pod-2").refuse(new Error("refused"));
    expect(rpc.settled).toBe(0);
    connector.latest("pod-3").becomeReady();
    expect(rpc.outcome).toBe("pod-3");
  });

  test("waits its turn: first in, first out", () => {
    const { connector, resolver, channel } = channelHarness();
    const order: number[] = [];
    const rpcs = [1, 2, 3].map((number) => startRpc(channel, undefined, () => order.push(number)));
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady({ maxStreams: 2 });
    expect(order).toEqual([1, 2]);
    finish(rpcs[0] as Rpc);
    expect(order).toEqual([1, 2, 3]);
  });

  test("does not wait longer than queueTimeoutMs, and says for what it waited", () => {
    const { clock, resolver, channel } = channelHarness({ queueTimeoutMs: 2_000 });
    const early = startRpc(channel);
    clock.tick(1_999);
    expect(early.settled).toBe(0);
    clock.tick(1);
    expect(early.error).toBeInstanceOf(StatusError);
    expect(early.error).toMatchObject({
      code: StatusCode.unavailable,
      message: "waited 2000 ms for a connection: http://orders:8080: its endpoints are not known yet",
    });
    const late = startRpc(channel);
    resolver.endpoints(pods(5));
    clock.tick(2_000);
    expect(late.outcome).toBe(
      "waited 2000 ms for a connection: http://orders:8080: no connection to any of pod-1 (10.0.0.1:8080), " +
        "pod-2 (10.0.0.2:8080), pod-3 (10.0.0.3:8080) and 2 more is ready; no dial has failed yet",
    );
  });

  test("waits 30 s unless something else is said", () => {
    const { clock, channel } = channelHarness();
    const rpc = startRpc(channel);
    clock.tick(29_999);
    expect(rpc.settled).toBe(0);
    clock.tick(1);
    expect(rpc.settled).toBe(1);
  });

  test("leaves at once when it is aborted, with the signal's reason", () => {
    const { clock, connector, resolver, channel } = channelHarness({ idleTimeoutMs: Number.POSITIVE_INFINITY });
    const abort = new AbortController();
    const rpc = startRpc(channel, abort.signal);
    const reason = new Error("not needed any more");
    abort.abort(reason);
    expect(rpc.error).toBe(reason);
    expect(channel.snapshot().queued).toBe(0);
    expect(clock.pending).toBe(0);
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect(rpc.settled).toBe(1);
  });

  test("that is aborted already starts nothing", () => {
    const { resolver, channel } = channelHarness();
    const reason = new Error("too late");
    expect(startRpc(channel, AbortSignal.abort(reason)).error).toBe(reason);
    expect(resolver.starts).toBe(0);
    expect(channel.state).toBe("idle");
  });

  test("is refused with ResourceExhausted when 10 000 wait", () => {
    const { connector, resolver, channel } = channelHarness();
    const waiting = Array.from({ length: 10_000 }, () => startRpc(channel));
    const refused = startRpc(channel);
    expect(refused.error).toMatchObject({ code: StatusCode.resourceExhausted });
    expect(refused.error?.message).toBe(
      "10000 RPCs wait for a connection already: http://orders:8080: its endpoints are not known yet",
    );
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect(waiting.every(({ settled, connection }) => settled === 1 && connection !== undefined)).toBe(true);
  });
});

describe("an RPC when every connection failed", () => {
  test("fails at once, with the last connection error and the endpoints in its message", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    const waiting = startRpc(channel);
    resolver.endpoints(pods(2));
    connector.latest("pod-2").refuse(new Error("connect ECONNREFUSED 10.0.0.2:8080"));
    clock.tick(5);
    const cause = new Error("connect ETIMEDOUT 10.0.0.1:8080");
    connector.latest("pod-1").refuse(cause);
    const message =
      "http://orders:8080: no connection to any of pod-1 (10.0.0.1:8080), pod-2 (10.0.0.2:8080) is ready; " +
      "last error: connect ETIMEDOUT 10.0.0.1:8080";
    expect(waiting.error).toMatchObject({ code: StatusCode.unavailable, message, cause });
    expect(startRpc(channel).error).toMatchObject({ code: StatusCode.unavailable, message, cause });
    expect(channel.state).toBe("transientFailure");
  });

  test("fails with the resolver's last error, too", () => {
    const { connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(1));
    resolver.error("SERVFAIL");
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED"));
    expect(startRpc(channel).outcome).toBe(
      "http://orders:8080: no connection to any of pod-1 (10.0.0.1:8080) is ready; last error: ECONNREFUSED " +
        "(and the resolver fails: SERVFAIL)",
    );
  });

  test("fails also while they are dialled again after their backoff", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(1));
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED"));
    while (connector.dials.length === 1) clock.tick(clock.nextInMs ?? Number.NaN);
    expect(connector.latest("pod-1").state).toBe("connecting");
    expect(startRpc(channel).outcome).toContain("ECONNREFUSED");
  });

  test("dials at once, and waits for that, when the last dial is 1 s old", () => {
    // the longest jitter: the next dial is due at 1 200 ms
    const { clock, connector, resolver, channel } = channelHarness({ random: () => 1 - 2 ** -32 });
    channel.connect();
    resolver.endpoints(pods(2));
    for (const key of ["pod-1", "pod-2"]) connector.latest(key).refuse(new Error("ECONNREFUSED"));
    clock.tick(999);
    expect(startRpc(channel).outcome).toContain("ECONNREFUSED");
    expect(connector.dials).toHaveLength(2);
    clock.tick(1);
    const first = startRpc(channel);
    const second = startRpc(channel);
    expect(connector.dials).toEqual(["pod-1", "pod-2", "pod-1", "pod-2"]);
    expect([first.settled, second.settled]).toEqual([0, 0]);
    expect(channel.state).toBe("connecting");
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED again"));
    expect(first.settled).toBe(0);
    connector.latest("pod-2").becomeReady();
    expect([first.outcome, second.outcome]).toEqual(["pod-2", "pod-2"]);
  });

  test("fails with the newest error when the dials that it waited for fail, too", () => {
    const { clock, connector, resolver, channel } = channelHarness({ random: () => 1 - 2 ** -32 });
    channel.connect();
    resolver.endpoints(pods(1));
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED"));
    clock.tick(1_000);
    const rpc = startRpc(channel);
    connector.latest("pod-1").refuse(new Error("EHOSTUNREACH"));
    expect(rpc.outcome).toContain("last error: EHOSTUNREACH");
    expect(channel.state).toBe("transientFailure");
  });

  test("waits for a connection that replaces one that GOAWAY or a reset ended", () => {
    for (const end of ["goaway", "reset"]) {
      const { clock, connector, channel } = readyChannel(pods(1));
      clock.tick(1_000);
      const old = connector.latest("pod-1");
      if (end === "goaway") old.sendGoaway();
      else old.lose(new Error("ECONNRESET"));
      const rpc = startRpc(channel);
      expect(rpc.settled).toBe(0);
      connector.latest("pod-1").becomeReady();
      expect(rpc.outcome).toBe("pod-1");
    }
  });
});

describe("an RPC of a channel that waits for ready", () => {
  test("waits also when every connection failed, for as long as it takes", () => {
    const { clock, connector, resolver, channel } = channelHarness({ waitForReady: true });
    const before = startRpc(channel);
    resolver.endpoints(pods(1));
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED"));
    const after = startRpc(channel);
    clock.tick(300_000); // dial after dial times out
    expect(connector.dials.length).toBeGreaterThan(20);
    expect([before.settled, after.settled]).toEqual([0, 0]);
    while (connector.latest("pod-1").state === "closed") clock.tick(100);
    connector.latest("pod-1").becomeReady();
    expect([before.outcome, after.outcome]).toEqual(["pod-1", "pod-1"]);
  });

  test("waits also without endpoints, and when they cannot be learnt", () => {
    const { connector, resolver, channel } = channelHarness({ waitForReady: true });
    const rpc = startRpc(channel);
    resolver.error("SERVFAIL");
    resolver.notFound("no such Service");
    resolver.endpoints([]);
    expect(rpc.settled).toBe(0);
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect(rpc.outcome).toBe("pod-1");
  });

  test("dials at once when the last dial is 1 s old", () => {
    const { clock, connector, resolver, channel } = channelHarness({
      waitForReady: true,
      random: () => 1 - 2 ** -32,
    });
    channel.connect();
    resolver.endpoints(pods(1));
    connector.latest("pod-1").refuse(new Error("ECONNREFUSED"));
    clock.tick(1_000);
    startRpc(channel);
    expect(connector.dials).toHaveLength(2);
  });

  test("still leaves when it is aborted, and fails when the channel is closed", async () => {
    const { channel } = channelHarness({ waitForReady: true });
    const abort = new AbortController();
    const aborted = startRpc(channel, abort.signal);
    const waiting = startRpc(channel);
    abort.abort(new Error("deadline"));
    expect(aborted.outcome).toBe("deadline");
    await channel.close();
    expect(waiting.outcome).toBe("the channel to http://orders:8080 is closed");
  });
});

describe("an RPC without endpoints", () => {
  test("fails at once, and says that there are none", () => {
    const { resolver, channel } = channelHarness();
    const waiting = startRpc(channel);
    resolver.endpoints([]);
    expect(waiting.outcome).toBe("http://orders:8080: it has no endpoints");
    expect(startRpc(channel).error).toMatchObject({ code: StatusCode.unavailable });
  });

  test("says how many there are when none is ready", () => {
    const { resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints([pod(1, { ready: false, serving: false }), pod(2, { ready: false, serving: false })]);
    expect(startRpc(channel).outcome).toBe("http://orders:8080: none of its 2 endpoints is ready");
  });

  test("uses endpoints that terminate but serve, until a better one is there", () => {
    const leaving = pod(1, { ready: false, serving: true, terminating: true });
    const { connector, resolver, channel } = readyChannel([leaving, pod(2, { ready: false, serving: false })]);
    expect(connector.dials).toEqual(["pod-1"]);
    expect(startRpc(channel).outcome).toBe("pod-1");
    resolver.endpoints([leaving, pod(2)]);
    connector.latest("pod-2").becomeReady();
    expect(startRpc(channel).outcome).toBe("pod-2");
  });
});

describe("an RPC when the policy's choice is full", () => {
  test("goes to another connection that has room", () => {
    const { connector, resolver, channel } = channelHarness({ policy: inTurn });
    channel.connect();
    resolver.endpoints(pods(3));
    connector.latest("pod-1").becomeReady({ maxStreams: 1 });
    connector.latest("pod-2").becomeReady({ maxStreams: 1 });
    connector.latest("pod-3").becomeReady();
    const outcomes = Array.from({ length: 8 }, () => startRpc(channel).outcome);
    expect(outcomes).toEqual(["pod-1", "pod-2", "pod-3", "pod-3", "pod-3", "pod-3", "pod-3", "pod-3"]);
    expect(connector.connections.flatMap(({ rejected }) => rejected)).toEqual([]);
  });

  test.each([
    ["round robin", inTurn],
    ["least request", undefined],
  ])("shares what a small one cannot take evenly among the others: %s", (_name, policy) => {
    const { connector, resolver, channel } = channelHarness(policy === undefined ? {} : { policy });
    channel.connect();
    resolver.endpoints(pods(4));
    for (const key of ["pod-1", "pod-2", "pod-3"]) connector.latest(key).becomeReady();
    connector.latest("pod-4").becomeReady({ maxStreams: 1 });
    for (let rpc = 0; rpc < 301; rpc++) startRpc(channel);
    const [small, ...others] = connector.connections.map(({ inFlight }) => inFlight).reverse();
    expect(small).toBe(1);
    for (const inFlight of others) expect(Math.abs(inFlight - 100)).toBeLessThanOrEqual(1);
  });

  test("waits when all are full, until a stream ends", () => {
    const { connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(2));
    for (const connection of connector.open) connection.becomeReady({ maxStreams: 1 });
    const running = [startRpc(channel), startRpc(channel)];
    const waiting = [startRpc(channel), startRpc(channel)];
    expect(waiting.map(({ settled }) => settled)).toEqual([0, 0]);
    const [first] = running;
    finish(first as Rpc);
    expect(waiting.map(({ outcome }) => outcome)).toEqual([first?.outcome, undefined]);
    connector.latest("pod-1").changeMaxStreams(2);
    expect(waiting[1]?.outcome).toBe("pod-1");
  });

  test("waits also while another connection is in backoff", () => {
    const { connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(2));
    connector.latest("pod-1").becomeReady({ maxStreams: 1 });
    connector.latest("pod-2").refuse(new Error("ECONNREFUSED"));
    startRpc(channel);
    const waiting = startRpc(channel);
    expect(waiting.settled).toBe(0);
  });

  test("says so when it waited too long", () => {
    const { clock, connector, resolver, channel } = channelHarness();
    channel.connect();
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady({ maxStreams: 1 });
    startRpc(channel);
    const waiting = startRpc(channel);
    clock.tick(30_000);
    expect(waiting.outcome).toBe(
      "waited 30000 ms for a connection: http://orders:8080: all 1 connections are at their limit of concurrent streams",
    );
  });

  test("does not ask the policy for each of the many that wait, when nothing has room", () => {
    let picks = 0;
    const counting: Policy = (_previous, candidates) => ({
      pick() {
        picks++;
        return { kind: "complete", candidate: candidates[0] };
      },
    });
    const { connector, resolver, channel } = channelHarness({ policy: counting });
    channel.connect();
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady({ maxStreams: 1 });
    const running = startRpc(channel);
    for (let rpc = 0; rpc < 5_000; rpc++) startRpc(channel);
    picks = 0;
    finish(running);
    expect(channel.snapshot().queued).toBe(4_999);
    expect(picks).toBeLessThan(5);
  });
});

describe("what a picker says", () => {
  const saying =
    (result: ReturnType<ReturnType<Policy>["pick"]>): Policy =>
    () => ({ pick: () => result as never });

  test("fails the RPC: fail and drop", () => {
    for (const kind of ["fail", "drop"] as const) {
      const error = new Error(kind);
      const { channel } = readyChannel(pods(1), { policy: saying({ kind, error }) });
      expect(startRpc(channel).error).toBe(error);
    }
  });

  test("fails the RPC also while another endpoint could be dialled again", () => {
    const { clock, connector, resolver, channel } = channelHarness({
      policy: saying({ kind: "fail", error: new Error("no") }),
      random: () => 1 - 2 ** -32,
    });
    channel.connect();
    resolver.endpoints(pods(2));
    connector.latest("pod-1").becomeReady();
    connector.latest("pod-2").refuse(new Error("ECONNREFUSED"));
    clock.tick(1_000);
    expect(startRpc(channel).outcome).toBe("no");
    expect(connector.dials).toHaveLength(2);
  });

  test("fails the RPC that waits for ready only if it says drop", () => {
    const error = new Error("no");
    const failing = readyChannel(pods(1), { policy: saying({ kind: "fail", error }), waitForReady: true });
    expect(startRpc(failing.channel).settled).toBe(0);
    const dropping = readyChannel(pods(1), { policy: saying({ kind: "drop", error }), waitForReady: true });
    expect(startRpc(dropping.channel).error).toBe(error);
  });

  test("keeps the RPC waiting: queue", () => {
    const { channel } = readyChannel(pods(1), { policy: saying({ kind: "queue" }) });
    expect(startRpc(channel).settled).toBe(0);
  });

  test("is what the policy made of the ready connections, and of the picker before", () => {
    const calls: { previous: unknown; keys: string[]; picker: unknown }[] = [];
    const policy: Policy = (previous, candidates) => {
      const candidate = candidates[0];
      const picker = { pick: () => ({ kind: "complete", candidate }) as const };
      calls.push({ previous, keys: candidates.map(({ endpoint }) => endpoint.key), picker });
      return picker;
    };
    const { connector, resolver, channel } = readyChannel(pods(2), { policy });
    resolver.endpoints(pods(2)); // nothing new
    resolver.endpoints([]);
    resolver.endpoints([pod(3)]);
    connector.latest("pod-3").becomeReady();
    expect(calls.map(({ keys }) => keys)).toEqual([["pod-1"], ["pod-1", "pod-2"], ["pod-3"]]);
    expect(calls.map(({ previous }) => previous)).toEqual([undefined, calls[0]?.picker, calls[1]?.picker]);
    expect(startRpc(channel).outcome).toBe("pod-3");
  });
});

describe("an RPC that comes while others are told", () => {
  test("is settled once, and goes to the connection that got ready", () => {
    const { connector, resolver, channel } = channelHarness();
    const late: Rpc[] = [];
    const early = startRpc(channel, undefined, () => late.push(startRpc(channel)));
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect([early.settled, late[0]?.settled]).toEqual([1, 1]);
    expect(late[0]?.outcome).toBe("pod-1");
  });

  test("fails like them when they fail", () => {
    const { resolver, channel } = channelHarness();
    const late: Rpc[] = [];
    startRpc(channel, undefined, () => late.push(startRpc(channel)));
    resolver.endpoints([]);
    expect(late.map(({ outcome }) => outcome)).toEqual(["http://orders:8080: it has no endpoints"]);
  });

  test("fails like them when the channel is closed", async () => {
    const { channel } = channelHarness();
    const late: Rpc[] = [];
    startRpc(channel, undefined, () => late.push(startRpc(channel)));
    await channel.close();
    expect(late.map(({ outcome }) => outcome)).toEqual(["the channel to http://orders:8080 is closed"]);
  });
});

test("the default policy draws from the channel's random numbers, and so does the choice among those with room", () => {
  const picks = (seed: number): (string | undefined)[] => {
    const { channel, connector } = readyChannel(pods(60), { random: seededRandom(seed) });
    // 60 endpoints need more than one round of dials, and are compared by two random choices
    for (const connection of connector.open) if (connection.state === "connecting") connection.becomeReady();
    for (const connection of connector.open.slice(0, 30)) connection.changeMaxStreams(0);
    return Array.from({ length: 60 }, () => startRpc(channel).outcome);
  };
  expect(picks(1)).toEqual(picks(1));
  expect(picks(1)).not.toEqual(picks(2));
});

test("a channel works without any option but target and connector", () => {
  const connector = new ScriptedConnector();
  const channel = new Channel({ target: "http://127.0.0.1:8080", connector, clock: new FakeClock() });
  const rpc = startRpc(channel);
  connector.latest("127.0.0.1:8080").becomeReady();
  expect(rpc.outcome).toBe("127.0.0.1:8080");
  channel.destroy();
});

describe("an RPC that was tried already", () => {
  const avoiding = (channel: Channel, ...keys: string[]): string | undefined => {
    const rpc = new Rpc();
    channel.pick({ path: "/demo.v1.Demo/Call", avoid: new Set(keys) }, rpc);
    return rpc.outcome;
  };

  test("goes to another endpoint while there is one with room: the policy's next choice", () => {
    const { channel, connector } = readyChannel(pods(3), { policy: inTurn });
    expect(avoiding(channel, "pod-1")).toBe("pod-2"); // whose turn it is after pod-1's
    expect(avoiding(channel, "pod-1", "pod-2")).toBe("pod-3");
    connector.latest("pod-3").changeMaxStreams(0);
    expect(avoiding(channel, "pod-1", "pod-2")).toMatch(/pod-[12]/);
  });

  test("is shown to the policy once more, with what is full or was tried to be avoided", () => {
    const seen: unknown[] = [];
    const keyed: Policy = (_previous, candidates) => ({
      pick({ path, avoid, message, header }) {
        seen.push([path, [...(avoid ?? [])], message, header]);
        const candidate = candidates.find(({ endpoint }) => avoid?.has(endpoint.key) !== true);
        return { kind: "complete", candidate: candidate ?? candidates[0] };
      },
    });
    const { channel, connector } = readyChannel(pods(3), { policy: keyed });
    connector.latest("pod-1").changeMaxStreams(0);
    const rpc = new Rpc();
    channel.pick({ path: "/a/b", message: "whole" }, rpc);
    expect(rpc.outcome).toBe("pod-2");
    expect(seen).toEqual([
      ["/a/b", [], "whole", undefined],
      ["/a/b", ["pod-1"], "whole", expect.any(Function)],
    ]);
  });

  test("goes to the least busy of the others where the policy insists", () => {
    const first: Policy = (_previous, [candidate]) => ({ pick: () => ({ kind: "complete", candidate }) });
    const { channel, connector } = readyChannel(pods(3), { policy: first });
    openStream(connector.latest("pod-2"));
    expect(avoiding(channel, "pod-1")).toBe("pod-3");
  });

  test("goes to no other that fails, while one is well", () => {
    const first: Policy = (_previous, [candidate]) => ({ pick: () => ({ kind: "complete", candidate }) });
    const { channel, connector } = readyChannel(pods(3), { policy: first });
    const rpc = new Rpc();
    channel.pick({ path: "/a/b", avoid: new Set(["pod-1", "pod-3"]) }, rpc);
    expect(rpc.outcome).toBe("pod-2");
    rpc.stream?.cancel(new Error("done"));
    const failure = { code: StatusCode.internal, fate: "answered", firstByteMs: 1, durationMs: 1 } as const;
    channel.report(rpc.connection as Connection, { path: "" }, failure);
    for (let tries = 0; tries < 4; tries++) {
      const next = new Rpc();
      channel.pick({ path: "/a/b", avoid: new Set(["pod-1"]) }, next);
      expect(next.outcome).toBe("pod-3");
      next.stream?.cancel(new Error("done"));
    }
    expect(connector.latest("pod-2").streams).toHaveLength(1);
  });

  test("goes to one that the policy holds back only where none that it chooses from is left", () => {
    const narrow: Policy = (_previous, candidates) => ({
      pick: () => ({ kind: "complete", candidate: candidates[0] }),
      candidates: candidates.slice(0, 2),
    });
    const { channel, connector } = readyChannel(pods(3), { policy: narrow });
    openStream(connector.latest("pod-2"));
    expect(avoiding(channel, "pod-1")).toBe("pod-2");
    expect(avoiding(channel, "pod-1", "pod-2")).toBe("pod-3");
    connector.latest("pod-3").changeMaxStreams(0);
    expect(avoiding(channel, "pod-1", "pod-2")).toMatch(/pod-[12]/);
  });

  test("goes to the same endpoint when no other is ready", () => {
    const { channel } = readyChannel(pods(1));
    expect(avoiding(channel, "pod-1")).toBe("pod-1");
  });
});
