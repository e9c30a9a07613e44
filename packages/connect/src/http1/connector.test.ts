import { execFile } from "node:child_process";
import { once } from "node:events";
import { Agent, type RequestListener, type RequestOptions } from "node:http";
import { createServer as createHttpsServer, Agent as HttpsAgent, type ServerOptions } from "node:https";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseTarget, type StreamEnd } from "@evenkeel/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { cert, key } from "../../../server/test-helpers/certificate.ts";
import {
  type Dialled,
  dialPort,
  listen,
  open,
  type Peer,
  post,
  startHttp,
  startRaw,
} from "../../test-helpers/http1.ts";
import { createHttp1Connector, type Http1ConnectorOptions } from "./connector.ts";
import type { Http1NodeOptions } from "./node-options.ts";

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const complete: StreamEnd = { kind: "complete" };

/** Answers once the request is whole. */
const answer: RequestListener = (request, response) => {
  request.on("end", () => response.end("hello")).resume();
};

async function startReady(options: Partial<Http1ConnectorOptions> = {}): Promise<Dialled & { peer: Peer }> {
  const peer = await startHttp(answer);
  const dialled = dialPort(peer.port, options);
  await dialled.ready;
  return { ...dialled, peer };
}

/** A port that refuses. */
async function refusedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

describe("a dial", () => {
  it("is ready with a socket that the first request takes", async () => {
    const { connection, peer, told } = await startReady();
    expect(connection).toMatchObject({ label: expect.stringMatching(/^connection 1 to pod-1 \(127/), suspect: false });
    expect(connection.maxStreams).toBe(Number.POSITIVE_INFINITY);
    expect(await post(connection).ended).toEqual(complete);
    expect(peer.sockets).toHaveLength(1);
    expect(told).toEqual(["ready"]);
  });

  it("that is refused closes, and says where and why", async () => {
    const port = await refusedPort();
    const { closed, told } = dialPort(port);
    const { reason, orderly, streamsLost } = await closed;
    expect(reason).toMatchObject({ code: 14, message: `connect ECONNREFUSED 127.0.0.1:${port}` });
    expect({ orderly, streamsLost, told }).toEqual({ orderly: false, streamsLost: 0, told: ["closed"] });
  });

  it("tries the addresses of an endpoint in their order, and requests go where it got through", async () => {
    const refused = await refusedPort();
    const { port, sockets } = await startHttp(answer);
    const addresses = [refused, port, 1].map((each) => ({ host: "127.0.0.1", port: each })) as never;
    const dialled = dialPort(refused, {}, { addresses });
    await dialled.ready;
    const requests = [1, 2, 3].map(() => post(dialled.connection).ended);
    expect(await Promise.all(requests)).toEqual([complete, complete, complete]);
    expect(sockets).toHaveLength(3);
    const none = dialPort(
      refused,
      {},
      { addresses: [refused, 1].map((each) => ({ host: "127.0.0.1", port: each })) as never },
    );
    expect((await none.closed).reason.message).toMatch(/ECONNREFUSED 127.0.0.1:\d+; .*ECONNREFUSED 127.0.0.1:1$/);
  });

  it("given up is not heard of again", async () => {
    const { port, sockets } = await startHttp(answer);
    for (const give of ["drain", "destroy"] as const) {
      const { connection, closed, told } = dialPort(port);
      connection[give](new Error("not wanted"));
      await closed;
      await sleep(10);
      expect(told).toEqual(["closed"]);
    }
    await expect.poll(() => sockets.every((socket) => socket.destroyed)).toBe(true);
  });

  it("asks for node options each time", async () => {
    const { port } = await startHttp(answer);
    let asked = 0;
    const nodeOptions = (): Http1NodeOptions => {
      asked++;
      return {};
    };
    const connector = createHttp1Connector({ target: parseTarget("http://orders.test"), nodeOptions });
    expect(asked).toBe(0);
    expect(connector).toBeDefined();
    for (let turn = 0; turn < 2; turn++) await dialPort(port, { nodeOptions }).ready;
    expect(asked).toBe(2);
  });

  it("fails with what goes wrong on the way to a socket", async () => {
    const throws = (): never => {
      throw new Error("no such proxy");
    };
    const wrong: [Http1ConnectorOptions["nodeOptions"], RegExp][] = [
      [throws, /^no such proxy \(127/],
      [{ createConnection: throws }, /^no such proxy \(127/],
      [
        {
          createConnection(_options, made) {
            setTimeout(() => made(new Error("no such proxy"), new Duplex()), 1);
            return undefined;
          },
        },
        /^no such proxy \(127/,
      ],
      [
        { createConnection: () => Promise.resolve() as unknown as Duplex },
        /expected it to return a Duplex, got .*Promise/,
      ],
      [() => ({ host: "a" }) as Http1NodeOptions, /nodeOptions\.host is not supported/],
      [{ agent: new HttpsAgent() }, /Protocol "http:" not supported/],
      [{ agent: {} as Agent }, /"options.agent" property must be/],
    ];
    for (const [nodeOptions, message] of wrong) {
      const { closed } = dialPort(1, { nodeOptions: nodeOptions ?? {} });
      expect((await closed).reason.message).toMatch(message);
    }
  });
});

describe("a connection", () => {
  it("uses one socket for requests in sequence, and one each for those at a time", async () => {
    const { connection, peer, told } = await startReady();
    for (let turn = 0; turn < 5; turn++) expect(await post(connection).ended).toEqual(complete);
    expect(peer.sockets).toHaveLength(1);
    const requests = Array.from({ length: 7 }, () => post(connection));
    expect(connection.inFlight).toBe(7);
    await Promise.all(requests.map(({ ended }) => ended));
    expect(connection).toMatchObject({ inFlight: 0, answered: 12 });
    expect(peer.sockets).toHaveLength(7);
    await Promise.all(Array.from({ length: 7 }, () => post(connection).ended));
    expect(peer.sockets).toHaveLength(7);
    expect(told).toEqual(["ready"]);
  });

  it("does not use a socket again after Connection: close", async () => {
    const peer = await startHttp((_request, response) => response.setHeader("connection", "close").end());
    const { connection, ready, told } = dialPort(peer.port);
    await ready;
    for (let turn = 0; turn < 3; turn++) expect(await post(connection).ended).toEqual(complete);
    expect(peer.sockets).toHaveLength(3);
    expect(told).toEqual(["ready"]);
  });

  it("stays when the server closes idle sockets, also the first one", async () => {
    const { connection, peer, told } = await startReady();
    for (const end of ["end", "destroy", "resetAndDestroy"] as const) {
      const socket = peer.sockets.at(-1)!;
      socket[end]();
      await sleep(20);
      expect(await post(connection).ended).toEqual(complete);
      await sleep(5);
    }
    expect(peer.sockets).toHaveLength(4);
    expect(told).toEqual(["ready"]);
  });

  it("ends when its first socket breaks before a request has taken it", async () => {
    const { peer, closed, told } = await startReady();
    await expect.poll(() => peer.sockets).toHaveLength(1);
    peer.sockets[0]?.resetAndDestroy();
    expect((await closed).reason.message).toMatch(/^connection 1 to pod-1 .*: read ECONNRESET/);
    expect(told).toEqual(["ready", "closed"]);
  });

  it("does not take what a server sends without being asked for an answer", async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket);
      if (sockets.length === 1) socket.write(ok.replace("hello", "wrong"));
      socket.on("data", () => {
        socket.write(ok);
        if (sockets.length === 2) setTimeout(() => socket.write(ok.replace("hello", "wrong")), 5);
      });
    });
    const { connection, ready, told } = dialPort(await listen(server));
    await ready;
    await sleep(20);
    for (let turn = 2; turn < 4; turn++) {
      const request = post(connection);
      expect(await request.ended).toEqual(complete);
      expect(request.body()).toBe("hello");
      expect(sockets).toHaveLength(turn);
      await sleep(20);
    }
    expect(told).toEqual(["ready"]);
  });

  it("closes idle sockets before the server says that it does", async () => {
    const peer = await startHttp(answer);
    peer.server.keepAliveTimeout = 1_000; // Keep-Alive: timeout=1 is too short to use the socket again
    const { connection, ready } = dialPort(peer.port);
    await ready;
    await post(connection).ended;
    await once(peer.sockets[0]!, "close");
    peer.server.keepAliveTimeout = 2_000;
    await post(connection).ended;
    expect(peer.sockets).toHaveLength(2);
    const [closedBy] = await Promise.race([
      once(peer.sockets[1]!, "end").then(() => ["us"]),
      once(peer.sockets[1]!, "close").then(() => ["the server"]),
    ]);
    expect(closedBy).toBe("us");
  });

  it("drained, finishes its requests and then closes its sockets", async () => {
    const { connection, peer, closed, told } = await startReady();
    await Promise.all([1, 2].map(() => post(connection).ended)); // two sockets
    const request = open(connection);
    request.stream.write(Buffer.from("x"));
    connection.drain();
    connection.drain();
    await sleep(5);
    expect(told).toEqual(["ready"]);
    request.stream.end();
    expect(await request.ended).toEqual(complete);
    expect(request.body()).toBe("hello");
    expect(await closed).toMatchObject({ orderly: true, streamsLost: 0 });
    await expect.poll(() => peer.sockets.every(({ destroyed }) => destroyed)).toBe(true);
    expect(told).toEqual(["ready", "closed"]);
  });

  it("drained without a request, closes at once, also before the first one", async () => {
    const { connection, peer, closed } = await startReady();
    connection.drain();
    expect(await closed).toMatchObject({ orderly: true, streamsLost: 0 });
    await expect.poll(() => peer.sockets.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it("destroyed, ends its requests with the reason, those that were sent as lost", async () => {
    const arrived = Promise.withResolvers<void>();
    const peer = await startHttp((request) => {
      if (request.url === "/sent") arrived.resolve();
    });
    const { connection, ready, closed, told } = dialPort(peer.port);
    await ready;
    const sent = post(connection, { path: "/sent" });
    await arrived.promise;
    const unsent = post(connection);
    connection.drain();
    const reason = new Error("out of time");
    connection.destroy(reason);
    connection.destroy(new Error("once more"));
    expect(await sent.ended).toEqual({ kind: "broken", fate: "ambiguous", errorCode: undefined, error: reason });
    expect(await unsent.ended).toEqual({ kind: "broken", fate: "unsent", errorCode: undefined, error: reason });
    expect(await closed).toEqual({ reason, orderly: false, streamsLost: 1 });
    expect(connection).toMatchObject({ inFlight: 0, answered: 0 });
    await expect.poll(() => peer.sockets.every(({ destroyed }) => destroyed)).toBe(true);
    expect(told).toEqual(["ready", "closed"]);
    expect([sent.seen, unsent.seen]).toEqual([["closed"], ["closed"]]);
  });

  it("lives through peers that end at every point of a response", async () => {
    const response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n";
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("uncaughtException", note);
    onTestFinished(() => void process.off("uncaughtException", note));
    for (const how of ["end", "destroy", "resetAndDestroy"] as const) {
      let length = 0;
      const port = await startRaw((socket) => {
        socket.write(response.slice(0, length), () => socket[how]());
      });
      const { connection, ready } = dialPort(port);
      await ready;
      for (; length <= response.length; length++) {
        const { ended, seen } = post(connection);
        const end = await ended;
        if (length < response.length) expect(end).toMatchObject({ kind: "broken", fate: "ambiguous" });
        else if (how === "end") expect(end).toEqual(complete);
        expect(seen.filter((each) => each === "closed")).toHaveLength(1);
      }
      expect(connection.inFlight).toBe(0);
    }
    await sleep(10);
    expect(unhandled).toEqual([]);
  });
});

describe("an agent of the user's", () => {
  it("is used as it is: its sockets, its limit, and what it does when it is shared", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 2, timeout: 5_000 });
    onTestFinished(() => agent.destroy());
    const peers = [await startHttp(answer), await startHttp(answer)];
    const dialled = peers.map(({ port }) => dialPort(port, { nodeOptions: { agent } }));
    for (const { connection, ready, told } of dialled) {
      await ready;
      expect(connection.maxStreams).toBe(2);
      const requests = [post(connection), post(connection)];
      await Promise.all(requests.map(({ ended }) => ended));
      expect(told).toEqual(["ready", "capacity"]);
    }
    // one that found out whether it connects, and two
    expect(peers.map(({ sockets }) => sockets.length)).toEqual([3, 3]);
    const [first, second] = dialled;
    first?.connection.drain();
    expect(await first?.closed).toMatchObject({ orderly: true });
    await sleep(10);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(4);
    expect(await post(second!.connection).ended).toEqual(complete);
    expect(peers[1]?.sockets).toHaveLength(3);
  });

  it("that cannot connect fails the dial, and a later request", async () => {
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const { closed } = dialPort(await refusedPort(), { nodeOptions: { agent } });
    expect((await closed).reason.message).toMatch(/ECONNREFUSED/);
    const { connection, peer, goaways } = await startReady({ nodeOptions: { agent } });
    peer.server.close();
    await once(peer.server, "close");
    expect(await post(connection).ended).toMatchObject({ fate: "unsent" });
    expect(goaways).toMatchObject([{ errorCode: 10 }]);
  });

  it("whose request waits for a socket can be cancelled there", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const { connection, peer } = await startReady({ nodeOptions: { agent } });
    const first = open(connection);
    const second = post(connection);
    const reason = new Error("enough");
    await sleep(5);
    second.stream.cancel(reason);
    expect(await second.ended).toMatchObject({ fate: "unsent", error: reason });
    first.stream.end();
    expect(await first.ended).toEqual(complete);
    expect(await post(connection).ended).toEqual(complete);
    expect(peer.sockets).toHaveLength(2);
  });

  it("whose socket is over when it is assigned leaves the request unsent, which is no refusal", async () => {
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const { connection, told } = await startReady({ nodeOptions: { agent } });
    await Promise.all([1, 2].map(() => post(connection).ended));
    await sleep(5);
    const idle = Object.values(agent.freeSockets)[0];
    expect(idle).toHaveLength(2);
    idle?.at(-1)?.destroy(); // node looks at the first only
    expect(await post(connection).ended).toMatchObject({
      fate: "unsent",
      error: { message: expect.stringMatching(/the connection closed before the request was sent/) },
    });
    expect(await post(connection).ended).toEqual(complete);
    expect(told).toEqual(["ready"]);
  });

  it("that is gone with a connection under way gives it up", async () => {
    const agent = new Agent();
    agent.createConnection = () => new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    const { connection, closed } = dialPort(1, { nodeOptions: { agent } });
    connection.destroy(new Error("not wanted"));
    await closed;
  });

  it("false closes each socket after its request", async () => {
    const { connection, peer } = await startReady({ nodeOptions: { agent: false } });
    for (let turn = 0; turn < 2; turn++) expect(await post(connection).ended).toEqual(complete);
    expect(peer.sockets).toHaveLength(2);
  });
});

describe("node options", () => {
  it("createConnection makes every socket, to a UNIX socket for one", async () => {
    const path = join(tmpdir(), `evenkeel-${process.pid}.sock`);
    const { server } = await startHttp(answer);
    const unix = createTcpServer((socket) => server.emit("connection", socket));
    unix.listen(path);
    await once(unix, "listening");
    const clients: Socket[] = [];
    onTestFinished(async () => {
      for (const each of clients) each.destroy();
      unix.close();
      await once(unix, "close");
    });
    const asked: unknown[] = [];
    const createConnection: Http1NodeOptions["createConnection"] = ({ host, port }) => {
      asked.push(`${host}:${port}`);
      const socket = connect(path);
      clients.push(socket);
      return socket;
    };
    const { connection, ready } = dialPort(9, { nodeOptions: { createConnection } });
    await ready;
    expect(await Promise.all([1, 2].map(() => post(connection).ended))).toEqual([complete, complete]);
    expect(await Promise.all([1, 2].map(() => post(connection).ended))).toEqual([complete, complete]);
    expect(asked).toEqual(["127.0.0.1:9", "127.0.0.1:9"]);
    const other = dialPort(9, { nodeOptions: { socketPath: path } });
    await other.ready;
    expect(await Promise.all([1, 2].map(() => post(other.connection).ended))).toEqual([complete, complete]);
    other.connection.destroy(new Error("done"));
    connection.destroy(new Error("done"));
  });

  it("createConnection may make streams that are no sockets, one for each request", async () => {
    let made = 0;
    const createConnection = (): Duplex => {
      made++;
      return new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          if (chunk.toString("latin1").includes("\r\n\r\n")) this.push(ok);
          done();
        },
      });
    };
    const { connection, ready, closed } = dialPort(9, { nodeOptions: { createConnection } });
    await ready;
    for (let turn = 0; turn < 2; turn++) expect(await post(connection).ended).toEqual(complete);
    expect(made).toBe(2);
    connection.drain();
    expect(await closed).toMatchObject({ orderly: true });
  });

  it("createConnection that answers when nobody waits for it any more has its socket closed", async () => {
    const { port, sockets } = await startHttp(answer);
    const makers: (() => void)[] = [];
    const createConnection: Http1NodeOptions["createConnection"] = (_options, made) => {
      const make = (): void => made(null, connect(port, "127.0.0.1"));
      if (makers.length === 0) process.nextTick(make);
      makers.push(make);
      return undefined;
    };
    const { connection, ready, closed } = dialPort(9, { nodeOptions: { createConnection } });
    await ready;
    const requests = [post(connection), post(connection)];
    const dialling = dialPort(9, { nodeOptions: { createConnection } });
    connection.destroy(new Error("not wanted"));
    dialling.connection.destroy(new Error("not wanted"));
    await Promise.all([closed, dialling.closed, ...requests.map(({ ended }) => ended)]);
    expect(makers).toHaveLength(3);
    for (const make of makers.slice(1)) make();
    await sleep(20);
    expect(sockets.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it("createConnection that fails later retires the connection", async () => {
    const { port } = await startHttp(answer);
    let made = 0;
    const createConnection = (): Duplex => {
      made++;
      if (made > 1) throw new Error("no such proxy");
      return connect(port, "127.0.0.1");
    };
    const { connection, ready, goaways, closed } = dialPort(9, { nodeOptions: { createConnection } });
    await ready;
    const requests = [post(connection), post(connection)];
    expect(await Promise.all(requests.map(({ ended }) => ended))).toMatchObject([complete, { fate: "unsent" }]);
    expect(goaways).toMatchObject([{ debugData: expect.stringMatching(/^no such proxy/) }]);
    await closed;
  });

  it("maxHeaderSize raises the limit of response headers", async () => {
    const port = await startRaw((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\na: ${"x".repeat(20_000)}\r\ncontent-length: 0\r\n\r\n`);
    });
    const { connection, ready } = dialPort(port, { nodeOptions: { maxHeaderSize: 64 * 1024 } });
    await ready;
    expect(await post(connection).ended).toEqual(complete);
  });

  it("that something else decides throw, and say what", () => {
    const target = parseTarget("http://orders.test");
    const create = (nodeOptions: RequestOptions) => () => createHttp1Connector({ target, nodeOptions });
    expect(create({ host: "a" })).toThrow("nodeOptions.host is not supported with HTTP/1.1: leave it out; baseUrl and");
    expect(create({ headers: {} })).toThrow(/nodeOptions\.headers .*interceptor/);
    expect(create({ timeout: 1 })).toThrow(/nodeOptions\.timeout .*timeoutMs/);
    expect(create({ agent: new Agent(), createConnection: () => undefined })).toThrow(/createConnection with agent/);
    expect(() => createHttp1Connector({ target, connectTimeoutMs: 0 })).toThrow(RangeError);
    expect(create({ path: undefined, agent: undefined, localAddress: "127.0.0.1" })).not.toThrow();
  });
});

describe("TLS", () => {
  async function startHttps(host = "127.0.0.1", options: ServerOptions = {}): Promise<Peer> {
    const server = createHttpsServer({ key, cert, ...options }, answer);
    const sockets: Socket[] = [];
    server.on("secureConnection", (socket) => sockets.push(socket));
    server.on("tlsClientError", () => {});
    return { port: await listen(server, host), server: server as never, sockets };
  }

  const agents: [string, () => Http1NodeOptions][] = [
    ["an agent of its own", () => ({ ca: cert })],
    [
      "an agent of the user's",
      () => {
        const agent = new HttpsAgent({ keepAlive: true, ca: cert });
        onTestFinished(() => agent.destroy());
        return { agent };
      },
    ],
  ];

  describe.each(agents)("with %s", (_name, options) => {
    it.each([
      ["https://localhost", "127.0.0.2"],
      ["https://127.0.0.1", "127.0.0.2"],
      ["https://127.0.0.1", "127.0.0.1"],
    ])("verifies the host of %s, not the address %s", async (target, host) => {
      const { port, sockets } = await startHttps(host);
      const { connection, ready } = dialPort(port, { nodeOptions: options() }, { host, target: `${target}:${port}` });
      await ready;
      for (let turn = 0; turn < 2; turn++) {
        expect(await Promise.all([1, 2].map(() => post(connection).ended))).toEqual([complete, complete]);
      }
      expect(sockets.map((socket) => (socket as TLSSocket).servername)).toContain(
        target === "https://localhost" ? "localhost" : false,
      );
    });

    it.each(["https://orders.test", "https://127.0.0.3"])(
      "does not take another's certificate for %s",
      async (target) => {
        const { port } = await startHttps();
        const { closed } = dialPort(port, { nodeOptions: options() }, { target: `${target}:${port}` });
        const { reason } = await closed;
        expect(reason).toMatchObject({ code: 14 });
        expect(reason.message).toMatch(/does not match certificate's altnames|IP: 127.0.0.3 is not in the cert's list/);
      },
    );
  });

  it("keeps its defaults where node options are undefined", async () => {
    const { port } = await startHttps("127.0.0.2");
    const nodeOptions = { ca: cert, checkServerIdentity: undefined, servername: undefined };
    const { ready } = dialPort(port, { nodeOptions }, { host: "127.0.0.2", target: `https://localhost:${port}` });
    await ready;
  });

  it("uses sockets again, with any node options", async () => {
    const { port, sockets } = await startHttps("127.0.0.2");
    const nodeOptions = { ca: cert, checkServerIdentity: () => undefined, servername: undefined };
    const to = { host: "127.0.0.2", target: `https://orders.test:${port}` };
    const { connection, ready } = dialPort(port, { nodeOptions }, to);
    await ready;
    for (let turn = 0; turn < 4; turn++) expect(await post(connection).ended).toEqual(complete);
    expect(sockets).toHaveLength(1);
  });

  it("shows the client's certificate, the one of each dial", async () => {
    const { port } = await startHttps("127.0.0.1", { requestCert: true, rejectUnauthorized: true, ca: cert });
    const target = `https://localhost:${port}`;
    const { connection, ready } = dialPort(port, { nodeOptions: () => ({ ca: cert, cert, key }) }, { target });
    await ready;
    expect(await Promise.all([1, 2].map(() => post(connection).ended))).toEqual([complete, complete]);
    const without = dialPort(port, { nodeOptions: { ca: cert } }, { target });
    // TLS 1.3: the server refuses it after our side has finished
    const { reason, orderly } = await without.closed;
    expect({ told: without.told, orderly }).toEqual({ told: ["ready", "closed"], orderly: false });
    expect(reason.message).toMatch(/^connection 1 to pod-1 .*certificate required.* \(127\.0\.0\.1:\d+\)$/s);
  });

  it("says what is wrong with a peer that speaks none, and with certificates of ours", async () => {
    const { port } = await startHttp(answer);
    const plain = dialPort(port, {}, { target: `https://localhost:${port}` });
    expect((await plain.closed).reason.message).toMatch(/127\.0\.0\.1:\d+ does not speak TLS: use http:\/\//);
    const { port: tlsPort } = await startHttps();
    const to = { target: `https://localhost:${tlsPort}` };
    const untrusted = dialPort(tlsPort, {}, to);
    expect((await untrusted.closed).reason.message).toMatch(/self-signed certificate/);
    const malformed = dialPort(tlsPort, { nodeOptions: { cert: "nonsense", key: "nonsense" } }, to);
    expect((await malformed.closed).reason).toMatchObject({ code: 14 });
  });

  it("of a later socket that fails retires the connection, and the request was not sent", async () => {
    let accepts = true;
    const { port, server } = await startHttps();
    const raw = createTcpServer((socket) => {
      if (accepts) server.emit("connection", socket);
      else socket.destroy();
    });
    const rawPort = await listen(raw);
    const { connection, ready, goaways } = dialPort(
      rawPort,
      { nodeOptions: { ca: cert } },
      { target: `https://localhost:${port}` },
    );
    await ready;
    accepts = false;
    const requests = [post(connection), post(connection)];
    expect(await Promise.all(requests.map(({ ended }) => ended))).toMatchObject([complete, { fate: "unsent" }]);
    expect(goaways).toHaveLength(1);
  });
});

it("a process whose connections are idle exits", async () => {
  const { port } = await startHttp(answer);
  const script = fileURLToPath(new URL("../../test-helpers/http1-idle.ts", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, String(port)], { timeout: 20_000 });
  const [answered, at] = stdout.trim().split(" ");
  expect({ answered, stderr }).toEqual({ answered: "3", stderr: "" });
  expect(Date.now() - Number(at)).toBeLessThan(1_000);
});
