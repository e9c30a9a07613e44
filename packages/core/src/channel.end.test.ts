import { describe, expect, test } from "vitest";
import { channelHarness, readyChannel } from "../test-helpers/channel.ts";
import { pod, pods } from "../test-helpers/endpoints.ts";
import { callOn } from "../test-helpers/events.ts";
import { isSettled } from "../test-helpers/promises.ts";
import { startRpc } from "../test-helpers/rpc.ts";
import { StatusCode, StatusError } from "./errors.ts";

describe("a channel without RPCs", () => {
  const idleTimeoutMs = 60_000;

  test("stops resolver and connections after the idle timeout, and the next RPC starts them", () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(2), { idleTimeoutMs });
    clock.tick(59_999);
    expect(channel.state).toBe("ready");
    clock.tick(1);
    expect(channel.state).toBe("idle");
    expect(resolver.closes).toBe(1);
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);

    resolver.push({ kind: "endpoints", endpoints: pods(5) });
    expect(connector.dials).toHaveLength(2);

    const rpc = startRpc(channel);
    expect(resolver.starts).toBe(2);
    resolver.endpoints(pods(1));
    connector.latest("pod-1").becomeReady();
    expect(rpc.outcome).toBe("pod-1");
    resolver.push({ kind: "endpoints", endpoints: [] }, 1);
    expect(channel.state).toBe("ready");
  });

  test("counts from the last RPC's start or report", () => {
    const { clock, connector, channel } = readyChannel(pods(1), { idleTimeoutMs });
    clock.tick(50_000);
    const rpc = startRpc(channel);
    clock.tick(5_000);
    rpc.stream?.cancel(new Error("finished"));
    const connection = connector.latest("pod-1");
    channel.report(connection, { path: "/" }, { code: 0, fate: "answered", firstByteMs: 1, durationMs: 5_000 });
    clock.tick(59_999);
    expect(channel.state).toBe("ready");
    clock.tick(1);
    expect(channel.state).toBe("idle");
  });

  test("is not idle while a stream is open, however long that takes, also on a connection that drains", () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(1), { idleTimeoutMs, drainTimeoutMs: 3_600_000 });
    const rpc = startRpc(channel);
    clock.tick(300_000);
    expect(channel.state).toBe("ready");
    resolver.endpoints([]);
    clock.tick(300_000);
    expect(channel.state).toBe("transientFailure");
    expect(connector.open).toHaveLength(1);
    expect(rpc.end).toBeUndefined();
    rpc.stream?.cancel(new Error("finished"));
    clock.tick(120_000);
    expect(channel.state).toBe("idle");
    expect(clock.pending).toBe(0);
  });

  test("is not idle while an RPC waits", () => {
    const { clock, channel } = channelHarness({ idleTimeoutMs: 1_000, waitForReady: true });
    const rpc = startRpc(channel);
    clock.tick(20_000);
    expect(channel.state).toBe("connecting");
    expect(rpc.settled).toBe(0);
  });

  test("stops also when it never got ready, or has nothing to connect to", () => {
    for (const prepare of ["pending", "refused", "empty"]) {
      const { clock, connector, resolver, channel } = channelHarness({ idleTimeoutMs });
      channel.connect();
      if (prepare === "refused") {
        resolver.endpoints(pods(40));
        connector.latest("pod-1").refuse(new Error("refused"));
      }
      if (prepare === "empty") resolver.endpoints([]);
      clock.tick(60_000);
      expect(channel.state).toBe("idle");
      expect(connector.open).toEqual([]);
      expect(clock.pending).toBe(0);
    }
  });

  test("stays as it is where the timeout is Infinity, and for 15 minutes by default", () => {
    const endless = readyChannel(pods(1), { idleTimeoutMs: Number.POSITIVE_INFINITY });
    endless.clock.tick(86_400_000);
    expect(endless.channel.state).toBe("ready");
    expect(endless.clock.pending).toBe(0);
    const usual = readyChannel(pods(1));
    usual.clock.tick(899_999);
    expect(usual.channel.state).toBe("ready");
    usual.clock.tick(1);
    expect(usual.channel.state).toBe("idle");
  });

  test("keeps what the policy counted, and the totals, over the rest", () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(1), { idleTimeoutMs });
    const outcome = { code: 0, fate: "answered", firstByteMs: 1, durationMs: 2 } as const;
    channel.report(connector.latest("pod-1"), { path: "/" }, outcome);
    clock.tick(120_000);
    channel.connect();
    resolver.endpoints(pods(1));
    expect(channel.snapshot().totals).toEqual({ attempts: 1, succeeded: 1, failed: 0 });
  });
});

describe("a channel that is closed", () => {
  test("lets RPCs finish, fails those that wait, takes no new ones, and resolves when all is gone", async () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(2));
    connector.latest("pod-1").changeMaxStreams(1);
    connector.latest("pod-2").changeMaxStreams(1);
    const running = [startRpc(channel), startRpc(channel)];
    const waiting = startRpc(channel);
    const closed = channel.close();
    expect(channel.state).toBe("shutdown");
    expect(resolver.closes).toBe(1);
    const message = "the channel to http://orders:8080 is closed";
    expect(waiting.error).toBeInstanceOf(StatusError);
    expect(waiting.error).toMatchObject({ code: StatusCode.unavailable, message });
    expect(startRpc(channel).outcome).toBe(message);
    await expect(channel.ready()).rejects.toThrow(message);
    expect(await isSettled(closed)).toBe(false);
    expect(clock.pendingRef).toBe(1); // the process lives to see the end of the close
    for (const connection of connector.open) {
      connection.lastStream.respond();
      connection.lastStream.complete();
    }
    await closed;
    expect(running.map(({ end }) => end?.kind)).toEqual(["complete", "complete"]);
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
    channel.connect();
    channel.resolveNow();
    expect(resolver.starts).toBe(1);
  });

  test("ends RPCs that do not finish within the drain timeout", async () => {
    const { clock, channel } = readyChannel(pods(1), { drainTimeoutMs: 2_000 });
    const rpc = startRpc(channel);
    const closed = channel.close();
    await clock.advance(1_999);
    expect(rpc.end).toBeUndefined();
    await clock.advance(1);
    await closed;
    expect(rpc.end).toMatchObject({ kind: "broken", error: { code: StatusCode.unavailable } });
  });

  test("may be closed before it starts, twice, and while it is started", async () => {
    const unused = channelHarness();
    await unused.channel.close();
    await unused.channel.close();
    expect(startRpc(unused.channel).outcome).toContain("is closed");
    expect(unused.resolver.starts).toBe(0);

    for (const phase of ["resolving", "connecting", "backoff"]) {
      const { clock, connector, resolver, channel } = channelHarness();
      const rpc = startRpc(channel);
      if (phase !== "resolving") resolver.endpoints(pods(50));
      if (phase === "backoff") connector.latest("pod-1").refuse(new Error("refused"));
      await channel.close();
      expect(rpc.outcome).toContain("is closed");
      expect(connector.open).toEqual([]);
      expect(clock.pending).toBe(0);
    }
  });

  test("is closed at the end of its scope", async () => {
    const { channel, connector } = readyChannel(pods(1));
    {
      await using scoped = channel;
      expect(scoped.state).toBe("ready");
    }
    expect(channel.state).toBe("shutdown");
    expect(connector.open).toEqual([]);
  });

  test("shows in its snapshot what still finishes", async () => {
    const { connector, channel } = readyChannel(pods(2));
    const rpc = startRpc(channel);
    const closed = channel.close();
    expect(channel.snapshot()).toMatchObject({
      state: "shutdown",
      endpoints: [],
      draining: [{ label: rpc.connection?.label, inFlight: 1 }],
    });
    connector.open[0]?.lose(new Error("ECONNRESET"));
    await closed;
    expect(channel.snapshot().draining).toEqual([]);
  });
});

describe("a channel that is destroyed", () => {
  test("ends every RPC and every connection at once, with the error", () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(2));
    for (const connection of connector.open) connection.changeMaxStreams(1);
    const running = [startRpc(channel), startRpc(channel)];
    const waiting = startRpc(channel);
    const reason = new Error("enough");
    channel.destroy(reason);
    expect(waiting.error).toBe(reason);
    for (const { end } of running) expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", error: reason });
    expect(startRpc(channel).error).toBe(reason);
    expect(resolver.closes).toBe(1);
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("says so where no error is given", () => {
    const { channel } = readyChannel(pods(1));
    const rpc = startRpc(channel);
    channel.destroy();
    const message = "the channel to http://orders:8080 was destroyed";
    expect(rpc.end).toMatchObject({ error: { message, code: StatusCode.unavailable } });
    expect(startRpc(channel).outcome).toBe(message);
  });

  test("ends a close that waits, and connections that drain", async () => {
    const { clock, connector, resolver, channel } = readyChannel(pods(2));
    const running = [startRpc(channel), startRpc(channel)];
    resolver.endpoints(pods(1));
    const closed = channel.close();
    const reason = new Error("enough");
    channel.destroy(reason);
    await closed;
    for (const { end } of running) expect(end).toMatchObject({ error: reason });
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
    channel.destroy();
  });

  test("may be destroyed before it starts", () => {
    const { resolver, channel } = channelHarness();
    channel.destroy(new Error("never mind"));
    expect(startRpc(channel).outcome).toBe("never mind");
    expect(resolver.starts).toBe(0);
  });

  test.each(["resolver.update", "connection.ready", "connection.goaway", "connection.closed"] as const)(
    "leaves nothing behind when that happens in the middle of %s",
    (name) => {
      const { clock, connector, resolver, channel } = readyChannel(pods(3));
      clock.tick(5_000);
      startRpc(channel);
      callOn(name, () => channel.destroy());
      connector.latest("pod-2").sendGoaway();
      resolver.push({ kind: "endpoints", endpoints: [pod(1, { host: "10.9.9.9" }), pod(4)] });
      for (const connection of connector.open) if (connection.state === "connecting") connection.becomeReady();
      expect(channel.state).toBe("shutdown");
      expect(connector.open).toEqual([]);
      expect(clock.pending).toBe(0);
    },
  );

  test("fails the RPC that started it when that happens while the resolver starts", () => {
    const { clock, channel }: ReturnType<typeof channelHarness> = channelHarness({
      resolver: () => {
        channel.destroy(new Error("enough"));
        return { resolveNow() {}, close() {} };
      },
    });
    expect(startRpc(channel).outcome).toBe("enough");
    expect(clock.pending).toBe(0);
  });

  test("leaves nothing behind when its resolver comes back while it is closed", () => {
    const { clock, connector, channel }: ReturnType<typeof channelHarness> = channelHarness({
      resolver: (_target, listener) => ({
        resolveNow() {},
        close() {
          listener({ kind: "endpoints", endpoints: pods(3) });
          startRpc(channel);
        },
      }),
    });
    channel.connect();
    channel.destroy();
    expect(channel.state).toBe("shutdown");
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
