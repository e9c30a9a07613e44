import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import { createConnection, createServer as createTcpServer, type Server } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Connection,
  type ConnectionEnd,
  type Connector,
  createEndpoint,
  type Endpoint,
  type Goaway,
  parseTarget,
  type RequestHead,
  type Stream,
  type StreamEnd,
  systemClock,
} from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen, type RawPeerScript, startRawPeer } from "../test-helpers/raw-peer.ts";
import { ClientConnection } from "./client-connection.ts";
import { createHttp2Connector, type Http2ConnectorOptions } from "./connector.ts";
import { RequestEncoder } from "./request-encoder.ts";

interface Dialled {
  readonly connection: Connection;
  readonly ready: Promise<void>;
  readonly closed: Promise<ConnectionEnd>;
  readonly goaways: Goaway[];
  capacities: number;
}

function dialPort(
  port: number,
  options: Partial<Http2ConnectorOptions> = {},
  scheme = "http",
  addresses: Endpoint["addresses"] = [{ host: "127.0.0.1", port }],
): Dialled {
  const connector = createHttp2Connector({ target: parseTarget(`${scheme}://orders.test:${port}`), ...options });
  return listenTo((endpoint, listener) => connector.connect(endpoint, listener), port, addresses);
}

function listenTo(
  connect: Connector["connect"],
  port: number,
  addresses: Endpoint["addresses"] = [{ host: "127.0.0.1", port }],
): Dialled {
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<ConnectionEnd>();
  const goaways: Goaway[] = [];
  const endpoint = { ...createEndpoint({ host: "127.0.0.1", port, podName: "pod-1" }), addresses };
  const dialled: Dialled = {
    connection: connect(endpoint, {
      ready: ready.resolve,
      capacity: () => {
        dialled.capacities++;
      },
      suspicion: () => {},
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
  readonly stream: Stream;
  cancel(reason: Error): void;
}

/** Opens a stream and sends a body, which stays open if `isOpen`. */
function request(connection: Connection, headers: RequestHead["headers"] = [], isOpen = false): Request {
  const ended = Promise.withResolvers<StreamEnd>();
  const seen: string[] = [];
  const head = { method: "POST", path: "/s/m", headers, endStream: false };
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
  if (!isOpen) stream.end();
  return { ended: ended.promise, seen, stream, cancel: (reason) => stream.cancel(reason) };
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

  it("is complete when END_STREAM arrived before the request was sent to its end", async () => {
    const { connection } = await dialPeer({
      onRequest(id, peer) {
        peer.headers(id);
        peer.data(id, "no more", { endStream: true });
      },
    });
    const { ended, seen, stream } = request(connection, [], true);
    expect(await ended).toEqual({ kind: "complete" });
    expect(seen).toEqual(["headers 200", "data no more", "closed"]);
    expect(connection.inFlight).toBe(0);
    expect(stream.write(Buffer.from("late"))).toBe(true);
  });

  it("is complete when trailers arrived, though the connection is lost before all was read", async () => {
    const text = "x".repeat(10_000);
    const dialled = await dialPeer({
      onRequest(id, peer) {
        peer.headers(id);
        for (let frames = 0; frames < 20; frames++) peer.data(id, text);
        peer.trailers(id);
        peer.socket.end();
      },
    });
    const { ended, seen, stream } = request(dialled.connection);
    stream.pause();
    expect(await ended).toEqual({ kind: "complete" });
    const received = seen.filter((each) => each.startsWith("data ")).map((each) => each.slice(5));
    expect(received.join("")).toBe(text.repeat(20));
    expect(seen.slice(-2)).toEqual(["trailers", "closed"]);
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
    ["a reset without an error", (id, peer) => peer.rstStream(id, 0), 14, /reset with NO_ERROR/],
    ["FIN", (_id, peer) => peer.socket.end(), 14, /the peer closed the connection/],
    ["a connection reset", (_id, peer) => peer.socket.resetAndDestroy(), 14, /ECONNRESET/],
    [
      "a GOAWAY with an error code that includes it",
      (id, peer) => peer.goaway(id, 11, "calm"),
      14,
      /ENHANCE_YOUR_CALM calm/,
    ],
    [
      "a reset after a GOAWAY that includes it",
      (id, peer) => {
        peer.goaway(id, 0);
        peer.rstStream(id, 2);
      },
      13,
      /reset with INTERNAL_ERROR/,
    ],
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
    const sent = Promise.withResolvers<void>();
    const dialled = await dialPeer({ onRequest: () => sent.resolve() });
    const { ended } = request(dialled.connection);
    await sent.promise;
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

  it("whose answer to a ping arrived while our own event loop was blocked lives", async () => {
    const clock = new FakeClock();
    const pinged = Promise.withResolvers<void>();
    const onPing = (): void => {
      // timers go first after a block: the answer is in the socket, and nobody has read it
      setTimeout(() => {
        clock.tick(500);
        pinged.resolve();
      }, 1);
      const until = performance.now() + 5;
      while (performance.now() < until);
    };
    const options = { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500, pingIdleConnection: true };
    const dialled = await dialPeer({ onPing }, options);
    let isClosed = false;
    void dialled.closed.then(() => {
      isClosed = true;
    });
    clock.tick(1_000);
    await pinged.promise;
    await expect.poll(() => clock.nextInMs).toBe(1_000);
    expect(isClosed).toBe(false);
  });

  it("that finishes its streams after GOAWAY lives for as long as its peer answers", async () => {
    for (const answers of [true, false]) {
      const clock = new FakeClock();
      const finish = Promise.withResolvers<void>();
      const dialled = await dialPeer(
        {
          onRequest(id, peer) {
            peer.goaway(id, 0);
            if (!answers) peer.socket.pause();
            void finish.promise.then(() => peer.headers(id, { endStream: true }));
          },
        },
        { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500 },
      );
      const { ended } = request(dialled.connection);
      await expect.poll(() => dialled.goaways.length).toBe(1);
      for (let turn = 0; turn < 3 && answers; turn++) {
        await clock.advance(1_000);
        // the answer re-arms the interval
        await expect.poll(() => clock.nextInMs).toBe(1_000);
      }
      if (answers) finish.resolve();
      else await clock.advance(1_500);
      expect(await ended).toMatchObject(answers ? { kind: "complete" } : { kind: "broken", fate: "ambiguous" });
    }
  });

  it("lost while a ping is under way leaves no timer behind", async () => {
    const clock = new FakeClock();
    const options = { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500, pingIdleConnection: true };
    let lose = (): void => {};
    const onConnect: RawPeerScript["onConnect"] = (peer) => {
      peer.settings();
      lose = () => peer.socket.resetAndDestroy();
    };
    const dialled = await dialPeer({ answersPings: false, onConnect, onPing: () => lose() }, options);
    clock.tick(1_000);
    await dialled.closed;
    await sleep(10); // node cancels pings after it has closed
    expect(clock.pending).toBe(0);
  });

  it("whose stream ids are used up asks to be replaced, and finishes its streams", async () => {
    const peer = await startRawPeer({ onRequest: (id, peer) => peer.headers(id, { endStream: true }) });
    onTestFinished(() => peer[Symbol.asyncDispose]());
    const target = parseTarget("http://orders.test");
    const dialled = listenTo((endpoint, listener) => {
      const options = {
        target,
        nodeOptions: () => ({}),
        clock: systemClock,
        label: "connection 1",
        encoder: new RequestEncoder(target),
        firstStreamId: 2 ** 31 - 3,
        initialWindowSize: 65_536,
        connectionWindowSize: 65_536,
        pingIntervalMs: Number.POSITIVE_INFINITY,
        pingIdleConnection: false,
        pingTimeoutMs: 1_000,
      };
      return new ClientConnection(endpoint, options, listener);
    }, peer.port);
    await dialled.ready;
    const requests = [1, 2, 3].map(() => request(dialled.connection));
    expect(dialled.goaways).toEqual([]); // not before `open` has returned
    const ends = await Promise.all(requests.map(({ ended }) => ended));
    expect(ends).toMatchObject([{ kind: "complete" }, { kind: "complete" }, { fate: "unsent" }]);
    expect(dialled.goaways).toMatchObject([{ errorCode: 0 }]);
  });

  it("refuses headers that are too large before they do harm to other streams", async () => {
    let requests = 0;
    const dialled = await dialPeer({
      onRequest: (id, peer) => {
        requests++;
        peer.headers(id, { endStream: true });
      },
    });
    const { connection } = dialled;
    const large = [["x-large", "Z".repeat(65_536)]] as const;
    expect(() => request(connection, large)).toThrow(/request headers of \d+ bytes are too large to send/);
    expect(connection.inFlight).toBe(0);
    const fits = [["x-large", "Z".repeat(65_000)]] as const;
    expect(await request(connection, fits).ended).toEqual({ kind: "complete" });
    expect(requests).toBe(1);
    expect(dialled.goaways).toEqual([]);
  });

  it("whose pings are answered lives", async () => {
    const clock = new FakeClock();
    const options = { clock, pingIntervalMs: 1_000, pingTimeoutMs: 500, pingIdleConnection: true };
    const { connection } = await dialPeer({}, options);
    for (let turn = 0; turn < 3; turn++) {
      await clock.advance(1_000);
      await expect.poll(() => clock.nextInMs).toBe(1_000); // the answer re-arms the interval
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

  it("when createConnection returns no stream", async () => {
    const nodeOptions = { createConnection: () => Promise.resolve() as unknown as Duplex };
    const { reason } = await dialPort(1, { nodeOptions }).closed;
    expect(reason.message).toMatch(/nodeOptions\.createConnection: expected it to return a Duplex, got .*Promise/);
  });

  it("when createConnection returns a socket that is in use", async () => {
    const peer = await startRawPeer({});
    onTestFinished(() => peer[Symbol.asyncDispose]());
    const socket = createConnection(peer.port, "127.0.0.1");
    const nodeOptions = { createConnection: () => socket };
    await dialPort(peer.port, { nodeOptions }).ready;
    const { reason } = await dialPort(peer.port, { nodeOptions }).closed;
    expect(reason.message).toMatch(/nodeOptions\.createConnection: expected a new socket, got one that is in use/);
  });

  it("once, though a socket fails twice", async () => {
    const peer = await startRawPeer({});
    onTestFinished(() => peer[Symbol.asyncDispose]());
    const failing = new Duplex({ read() {}, write() {}, autoDestroy: false, destroy() {} });
    Object.assign(failing, { connecting: true });
    const good = createConnection(peer.port, "127.0.0.1");
    const sockets = [failing, good];
    const nodeOptions = { createConnection: () => sockets.shift() ?? failing };
    const addresses = [
      { host: "127.0.0.1", port: 1 },
      { host: "127.0.0.1", port: peer.port },
    ] as const;
    const { ready } = dialPort(peer.port, { nodeOptions }, "http", addresses);
    failing.emit("error", new Error("once"));
    failing.emit("error", new Error("twice"));
    await ready;
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
