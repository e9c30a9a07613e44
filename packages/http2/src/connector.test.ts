import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import {
  type Connection,
  type ConnectionEnd,
  createEndpoint,
  type Goaway,
  parseTarget,
  type StreamEnd,
} from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen, type RawPeerScript, startRawPeer } from "../test-helpers/raw-peer.ts";
import { createHttp2Connector, type Http2ConnectorOptions } from "./connector.ts";

interface Dialled {
  readonly connection: Connection;
  readonly ready: Promise<void>;
  readonly closed: Promise<ConnectionEnd>;
  readonly goaways: Goaway[];
  capacities: number;
}

function dialPort(port: number, options: Partial<Http2ConnectorOptions> = {}, scheme = "http"): Dialled {
  const connector = createHttp2Connector({ target: parseTarget(`${scheme}://orders.test:${port}`), ...options });
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<ConnectionEnd>();
  const goaways: Goaway[] = [];
  const endpoint = createEndpoint({ host: "127.0.0.1", port, podName: "pod-1" });
  const dialled: Dialled = {
    connection: connector.connect(endpoint, {
      ready: ready.resolve,
      capacity: () => {
        dialled.capacities++;
      },
      goaway: (goaway) => goaways.push(goaway),
      closed: closed.resolve,
    }),
    ready: ready.promise,
    closed: closed.promise,
    goaways,
    capacities: 0,
  };
  onTestFinished(async () => {
    dialled.connection.destroy(new Error("the test is over"));
    await dialled.closed;
  });
  return dialled;
}

async function dialPeer(script: RawPeerScript, options: Partial<Http2ConnectorOptions> = {}): Promise<Dialled> {
  const peer = await startRawPeer(script);
  onTestFinished(() => peer[Symbol.asyncDispose]());
  const dialled = dialPort(peer.port, options);
  await dialled.ready;
  return dialled;
}

interface Request {
  readonly ended: Promise<StreamEnd>;
  readonly seen: string[];
  cancel(reason: Error): void;
}

function request(connection: Connection): Request {
  const ended = Promise.withResolvers<StreamEnd>();
  const seen: string[] = [];
  const head = { method: "POST", path: "/s/m", headers: [], endStream: false };
  const stream = connection.open(head, {
    headers: (status) => seen.push(`headers ${status}`),
    data: (chunk) => seen.push(`data ${Buffer.from(chunk).toString()}`),
    drained: () => {},
    trailers: () => seen.push("trailers"),
    closed: (end) => {
      seen.push("closed");
      ended.resolve(end);
    },
  });
  stream.write(Buffer.from("body"));
  stream.end();
  return { ended: ended.promise, seen, cancel: (reason) => stream.cancel(reason) };
}

async function fateOf(script: RawPeerScript): Promise<{ end: StreamEnd; seen: string[] }> {
  const { connection } = await dialPeer(script);
  const { ended, seen } = request(connection);
  return { end: await ended, seen };
}

describe("the fate of a stream", () => {
  it("is complete when END_STREAM arrived", async () => {
    const { end, seen } = await fateOf({
      onRequest(id, peer) {
        peer.headers(id);
        peer.data(id, "hello", { endStream: true });
      },
    });
    expect(end).toEqual({ kind: "complete" });
    expect(seen).toEqual(["headers 200", "data hello", "closed"]);
  });

  it("is complete when END_STREAM arrived together with FIN", async () => {
    const { end } = await fateOf({
      onRequest(id, peer) {
        peer.headers(id);
        peer.data(id, "hello", { endStream: true });
        peer.socket.end();
      },
    });
    expect(end).toEqual({ kind: "complete" });
  });

  it("is unprocessed above the last stream id of a GOAWAY, whatever its error code", async () => {
    for (const errorCode of [0, 11]) {
      const { end } = await fateOf({ onRequest: (_id, peer) => peer.goaway(0, errorCode) });
      expect(end).toMatchObject({ kind: "broken", fate: "unprocessed" });
    }
  });

  it("is unprocessed after REFUSED_STREAM", async () => {
    const { end } = await fateOf({ onRequest: (id, peer) => peer.rstStream(id, 7) });
    expect(end).toMatchObject({ kind: "broken", fate: "unprocessed", errorCode: 7 });
  });

  it.each([
    ["a reset", (id, peer) => peer.rstStream(id, 2), 13, /reset with INTERNAL_ERROR/],
    ["FIN", (_id, peer) => peer.socket.end(), 14, /the peer closed the connection/],
    ["a connection reset", (_id, peer) => peer.socket.resetAndDestroy(), 14, /ECONNRESET/],
    ["a GOAWAY with an error code that includes it", (id, peer) => peer.goaway(id, 11, "calm"), 14, /code 11 calm/],
    [
      "FIN after a GOAWAY that includes it",
      (id, peer) => {
        peer.goaway(id, 0);
        peer.socket.end();
      },
      14,
      /the peer closed the connection|GOAWAY/,
    ],
    [
      "a connection reset after a GOAWAY that includes it",
      (id, peer) => {
        peer.goaway(id, 0);
        setTimeout(() => peer.socket.resetAndDestroy(), 10);
      },
      14,
      /ECONNRESET/,
    ],
  ] satisfies [string, RawPeerScript["onRequest"], number, RegExp][])(
    "is ambiguous after %s before and in the middle of the response",
    async (_name, act, code, text) => {
      for (const begins of [false, true]) {
        const { end } = await fateOf({
          onRequest(id, peer) {
            if (begins) {
              peer.headers(id);
              peer.data(id, "hel");
            }
            act(id, peer);
          },
        });
        expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", error: { code } });
        if (end.kind === "complete") throw new Error("unreachable");
        expect(end.error.message).toMatch(text);
        expect(end.error.message).toMatch(/connection 1 to pod-1 \(127\.0\.0\.1:\d+\)/);
      }
    },
  );

  it("is ambiguous, with the given reason, when we give it up", async () => {
    const { connection } = await dialPeer({});
    const { ended, seen, cancel } = request(connection);
    const reason = new Error("enough");
    cancel(reason);
    cancel(new Error("once more"));
    expect(await ended).toMatchObject({ kind: "broken", fate: "ambiguous", error: reason });
    expect(seen).toEqual(["closed"]);
    expect(connection.inFlight).toBe(0);
  });

  it("is unsent on a connection that is not ready, drains, or is gone", async () => {
    const dialled = await dialPeer({});
    dialled.connection.drain();
    expect(await request(dialled.connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    await dialled.closed;
    expect(await request(dialled.connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    expect(dialled.connection.inFlight).toBe(0);
  });

  it("is unsent after GOAWAY", async () => {
    const dialled = await dialPeer({ onRequest: (id, peer) => peer.goaway(id, 0) });
    const first = request(dialled.connection);
    await expect.poll(() => dialled.goaways).toHaveLength(1);
    expect(await request(dialled.connection).ended).toMatchObject({ kind: "broken", fate: "unsent" });
    expect(first.seen).toEqual([]);
  });
});

describe("a connection", () => {
  it("counts the streams that it takes with it", async () => {
    let requests = 0;
    const dialled = await dialPeer({
      onRequest: (_id, peer) => {
        requests++;
        if (requests === 3) peer.socket.resetAndDestroy();
      },
    });
    const ends = await Promise.all([1, 2, 3].map(() => request(dialled.connection).ended));
    expect(ends).toMatchObject([{ fate: "ambiguous" }, { fate: "ambiguous" }, { fate: "ambiguous" }]);
    expect(await dialled.closed).toMatchObject({ streamsLost: 3, orderly: false });
  });

  it("lets streams finish after a two-phase GOAWAY and ends orderly", async () => {
    const dialled = await dialPeer({
      onRequest(id, peer) {
        peer.goaway(2 ** 31 - 1, 0);
        setTimeout(() => {
          peer.goaway(id, 0);
          peer.headers(id);
          peer.data(id, "late", { endStream: true });
        }, 20);
      },
    });
    const { ended, seen } = request(dialled.connection);
    expect(await ended).toEqual({ kind: "complete" });
    expect(seen).toContain("data late");
    expect(dialled.goaways.map(({ lastStreamId }) => lastStreamId)).toEqual([2 ** 31 - 1, 1]);
    expect(await dialled.closed).toMatchObject({ streamsLost: 0, orderly: true });
  });

  it("knows the peer's stream limit and tells when there is room again", async () => {
    const dialled = await dialPeer({
      onConnect: (peer) => peer.settings([[3, 2]]),
      onRequest: (id, peer) => setTimeout(() => peer.headers(id, { endStream: true }), 10),
    });
    expect(dialled.connection.maxStreams).toBe(2);
    const requests = [request(dialled.connection), request(dialled.connection)];
    expect(dialled.connection.inFlight).toBe(2);
    await Promise.all(requests.map(({ ended }) => ended));
    expect(dialled.capacities).toBe(1);
  });

  it("drained, does not wait for a peer that never closes its side", async () => {
    const clock = new FakeClock();
    const peer = await startRawPeer({});
    onTestFinished(() => peer[Symbol.asyncDispose]());
    const dialled = dialPort(peer.port, { clock });
    await dialled.ready;
    peer.connections[0]?.socket.pause();
    dialled.connection.drain();
    await clock.advance(1_000);
    await dialled.closed;
  });

  it("destroyed while it drains, ends its streams with the reason of that", async () => {
    const dialled = await dialPeer({});
    const { ended } = request(dialled.connection);
    dialled.connection.drain();
    const reason = new Error("out of time");
    dialled.connection.destroy(reason);
    expect(await ended).toMatchObject({ fate: "ambiguous", error: reason });
    expect(await dialled.closed).toEqual({ reason, orderly: false, streamsLost: 1 });
  });

  it("whose pings are not answered is dead", async () => {
    const clock = new FakeClock();
    const options = { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500 };
    const dialled = await dialPeer({ answersPings: false }, options);
    await clock.advance(5_000); // no stream, no ping
    const { ended } = request(dialled.connection);
    await clock.advance(1_500);
    expect(await ended).toMatchObject({ fate: "ambiguous" });
    const { reason, streamsLost } = await dialled.closed;
    expect(reason.message).toMatch(/pod-1.*no answer to a PING in 500 ms/);
    expect(streamsLost).toBe(1);
  });

  it("whose pings are answered lives", async () => {
    const clock = new FakeClock();
    const options = { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500, pingIdleConnection: true };
    const { connection } = await dialPeer({}, options);
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(1_000);
      await expect.poll(() => clock.pending).toBe(1); // the answer re-arms the interval
    }
    expect((await request(connection).seen).length).toBe(0);
  });
});

describe("a dial fails clearly", () => {
  it("when the port refuses", async () => {
    const server = createTcpServer();
    const port = await listen(server);
    server.close();
    await once(server, "close");
    const { reason } = await dialPort(port).closed;
    expect(reason).toMatchObject({ name: "StatusError", code: 14 });
    expect(reason.message).toContain(`ECONNREFUSED 127.0.0.1:${port}`);
  });

  it("when the peer speaks HTTP/1.1", async () => {
    const server = createHttp1Server();
    onTestFinished(() => closeServer(server));
    const { reason } = await dialPort(await listen(server)).closed;
    expect(reason.message).toMatch(/pod-1.*before its HTTP\/2 SETTINGS: does it speak HTTP\/1\.1/);
  });

  it("when the peer answers with a TLS alert", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {}).resume();
      socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70]));
    });
    onTestFinished(() => closeServer(server));
    const { reason } = await dialPort(await listen(server)).closed;
    expect(reason.message).toMatch(/does it speak HTTP\/1\.1, or TLS, on this port\?/);
  });

  it("when the peer of an https target speaks no TLS", async () => {
    const server = createHttp1Server();
    onTestFinished(() => closeServer(server));
    const { reason } = await dialPort(await listen(server), {}, "https").closed;
    expect(reason.message).toMatch(/127\.0\.0\.1:\d+ does not speak TLS: use http:\/\//);
  });

  it("when createConnection throws", async () => {
    const nodeOptions = {
      createConnection: () => {
        throw new Error("no such proxy");
      },
    };
    const { reason } = await dialPort(1, { nodeOptions }).closed;
    expect(reason.message).toMatch(/no such proxy/);
  });

  it("when it is given up", async () => {
    const server = createTcpServer();
    onTestFinished(() => closeServer(server));
    const dialled = dialPort(await listen(server));
    dialled.connection.destroy(new Error("too slow"));
    expect((await dialled.closed).reason.message).toBe("too slow");
  });
});

describe("options", () => {
  it("out of range throw at creation", () => {
    const target = parseTarget("http://a");
    expect(() => createHttp2Connector({ target, pingIntervalMs: 0 })).toThrow(/pingIntervalMs: expected more than 0/);
    expect(() => createHttp2Connector({ target, pingTimeoutMs: -1 })).toThrow(RangeError);
  });
});

async function closeServer(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
