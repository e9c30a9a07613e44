import { once } from "node:events";
import http2 from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  connectRaw,
  type Frame,
  lastStreamOf,
  noticeLastStream,
  type RawClient,
  until,
} from "../test-helpers/raw-client.ts";
import { createServer, type Handler, listen } from "../test-helpers/servers.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleOptions } from "./options.ts";
import { manageConnections } from "./server-lifecycle.ts";

/** Answers `/wait` when the test calls `answer`, and anything else at once. */
function waitingHandler(): { handler: Handler; answer: () => void } {
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  return {
    handler: (request, response) => {
      if (request.url === "/wait") void answered.then(() => response.end("waited"));
      else response.end("done");
    },
    answer,
  };
}

async function setUp(
  secure: boolean,
  handler: Handler,
  options: LifecycleOptions = {},
): Promise<{ lifecycle: Lifecycle; port: number; client: RawClient }> {
  const server = createServer(secure, handler);
  const lifecycle = manageConnections(server, options);
  const port = await listen(server, onTestFinished);
  const client = await connectRaw(port, secure);
  onTestFinished(() => client.end());
  client.begin();
  await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
  return { lifecycle, port, client };
}

const isEnd = (frame: Frame): boolean => frame.type === "GOAWAY" || frame.type === "PING";
/** node may send the final GOAWAY once more when the session ends. */
const order = (client: RawClient): string[] =>
  client.frames
    .filter(isEnd)
    .map((frame) => (frame.type === "GOAWAY" ? `GOAWAY ${lastStreamOf(frame)}` : frame.type))
    .filter((frame, index, all) => frame !== all[index - 1]);

describe.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("two-phase GOAWAY over $name", ({ secure }) => {
  test("notice, PING, final GOAWAY with the last stream's id, FIN when streams are done", async () => {
    const { handler, answer } = waitingHandler();
    const { lifecycle, client } = await setUp(secure, handler);
    client.autoAck = false;
    const waiting = client.request("/wait");
    await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);

    lifecycle.retireConnections();
    await until("PING", () => client.pings().length === 1);
    expect(order(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING"]);
    expect(lifecycle.snapshot().connections).toMatchObject([{ state: "retiring", goawaysSent: 1 }]);

    // what a client opened before it saw the notice
    const late = client.request("/late");
    await until("the late stream is answered", () => client.isComplete(late));
    expect(client.dataOf(late).toString()).toBe("done");

    client.ack(client.pings()[0]!);
    await until("the final GOAWAY", () => client.of("GOAWAY").length === 2);
    expect(order(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${late}`]);
    expect(client.of("GOAWAY").map((frame) => frame.payload.readUInt32BE(4))).toEqual([0, 0]);
    expect(lifecycle.snapshot().connections).toMatchObject([{ state: "draining", goawaysSent: 2, openStreams: 1 }]);
    expect(client.ended).toBe(false);

    answer();
    await until("FIN", () => client.ended);
    expect(client.isComplete(waiting)).toBe(true);
    expect(client.dataOf(waiting).toString()).toBe("waited");
    await until("the server forgot the connection", () => lifecycle.snapshot().connections.length === 0);
    expect(client.of("other")).toEqual([]);
    expect(client.of("RST_STREAM")).toEqual([]);
  });

  test("an unanswered PING delays the final GOAWAY for no longer than goawayPingTimeoutMs", async () => {
    const { lifecycle, client } = await setUp(secure, (_, response) => response.end(), { goawayPingTimeoutMs: 50 });
    client.autoAck = false;
    lifecycle.retireConnections();
    await until("FIN", () => client.ended);
    expect(order(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", "GOAWAY 0"]);
  });

  test("a client that goes away in any step leaves nothing behind", async () => {
    const { handler } = waitingHandler();
    const server = createServer(secure, handler);
    const lifecycle = manageConnections(server, { goawayPingTimeoutMs: 20 });
    const port = await listen(server, onTestFinished);
    const steps: ((client: RawClient) => Promise<void> | void)[] = [
      () => {},
      (client) => until("notice", () => client.of("GOAWAY").length >= 1),
      (client) => until("PING", () => client.pings().length >= 1),
      (client) => until("final GOAWAY", () => client.of("GOAWAY").length >= 2),
    ];
    for (const step of steps) {
      for (const leave of [(c: RawClient) => c.socket.destroy(), (c: RawClient) => c.socket.end()]) {
        const client = await connectRaw(port, secure);
        client.autoAck = false;
        client.begin();
        client.request("/wait");
        await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
        lifecycle.retireConnections();
        await step(client);
        leave(client);
        await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
        await client.end();
      }
    }
  });

  test("a client that half-closes as it asks, and writes that come after that, do no harm", async () => {
    let turns = 0;
    const server = createServer(secure, (_, response) => {
      const answer = (left: number): void => void (left > 0 ? setImmediate(answer, left - 1) : response.end("done"));
      answer(turns);
    });
    const errors: unknown[] = [];
    server.on("sessionError", (error) => errors.push(error));
    const lifecycle = manageConnections(server, { goawayPingTimeoutMs: 20 });
    const port = await listen(server, onTestFinished);
    for (turns = 0; turns < 6; turns++) {
      for (const retires of [false, true]) {
        const client = await connectRaw(port, secure);
        client.autoAck = false;
        client.begin();
        await until("the session", () => client.of("SETTINGS").length >= 2);
        client.socket.cork();
        client.request("/");
        client.socket.end();
        if (retires) lifecycle.retireConnections();
        await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
        await client.end();
      }
    }
    expect(errors).toEqual([]);
  });

  test("past the grace the socket is destroyed, stuck stream or not", async () => {
    const { handler } = waitingHandler();
    const { lifecycle, client } = await setUp(secure, handler, { maxConnectionAgeGraceMs: 100 });
    client.request("/wait");
    await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    lifecycle.retireConnections();
    await until("the socket is closed", () => client.closed);
    await until("the server forgot it", () => lifecycle.snapshot().connections.length === 0);
  });

  test("a large response to a slow reader arrives whole, and the notice after it", async () => {
    const size = 24 * 2 ** 20;
    const body = Buffer.alloc(size, "0123456789");
    const { lifecycle, client } = await (async () => {
      const server = createServer(secure, (_, response) => response.end(body));
      const lifecycle = manageConnections(server);
      const port = await listen(server, onTestFinished);
      const client = await connectRaw(port, secure);
      onTestFinished(() => client.end());
      client.begin(2 ** 30);
      return { lifecycle, client };
    })();
    await until("SETTINGS", () => client.of("SETTINGS").length >= 1);
    client.socket.pause();
    const stream = client.request("/");
    await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    await sleep(50); // the kernel's buffers fill
    lifecycle.retireConnections();
    await sleep(100);
    if (!secure) expect(lifecycle.snapshot().connections).toMatchObject([{ state: "retiring", goawaysSent: 0 }]);
    client.socket.resume();
    await until("the response", () => client.isComplete(stream), 20_000);
    await until("FIN", () => client.ended);
    expect(client.dataOf(stream).equals(body)).toBe(true);
    expect(order(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${stream}`]);
    expect(client.of("other")).toEqual([]);
  });

  test("a reader that stays stuck gets the final GOAWAY only, and the grace applies", async () => {
    const body = Buffer.alloc(24 * 2 ** 20);
    const server = createServer(secure, (_, response) => response.end(body));
    const lifecycle = manageConnections(server, {
      goawayNoticeTimeoutMs: 50,
      goawayPingTimeoutMs: 50,
      maxConnectionAgeGraceMs: 50,
    });
    const port = await listen(server, onTestFinished);
    const client = await connectRaw(port, secure);
    onTestFinished(() => client.end());
    client.begin(2 ** 30);
    await until("SETTINGS", () => client.of("SETTINGS").length >= 1);
    client.socket.pause();
    client.request("/");
    await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    await sleep(50);
    lifecycle.retireConnections();
    await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
  });

  test("responses in flight are not corrupted by notices at any moment", async () => {
    const body = Buffer.alloc(2 ** 20, "evenkeel");
    const server = createServer(secure, (_, response) => response.end(body));
    const lifecycle = manageConnections(server);
    const port = await listen(server, onTestFinished);
    for (let round = 0; round < 20; round++) {
      const client = await connectRaw(port, secure);
      client.begin(2 ** 24);
      await until("the session", () => lifecycle.snapshot().connections[0]?.state === "ready");
      const streams = Array.from({ length: 4 }, () => client.request("/"));
      if (round > 0) await until("data", () => client.of("DATA").length >= round * 8);
      lifecycle.retireConnections();
      await until("FIN", () => client.ended);
      for (const stream of streams.filter((id) => id <= lastStreamOf(client.of("GOAWAY").at(-1)!))) {
        expect(client.dataOf(stream).equals(body)).toBe(true);
      }
      expect(client.of("other")).toEqual([]);
      expect(order(client)[0]).toBe(`GOAWAY ${noticeLastStream}`);
      await client.end();
    }
  });

  test("every stream that was opened before the PING was answered is served", async () => {
    const server = createServer(secure, (_, response) => void setImmediate(() => response.end("done")));
    const lifecycle = manageConnections(server, { maxConnectionAgeMs: 30 });
    const port = await listen(server, onTestFinished);
    for (let round = 0; round < 10; round++) {
      const client = await connectRaw(port, secure);
      client.begin();
      const opened: number[] = [];
      while (client.pings().length === 0) {
        for (let each = 0; each < 5; each++) opened.push(client.request("/"));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until("FIN", () => client.ended);
      const goaways = client.of("GOAWAY").map(lastStreamOf);
      expect([goaways[0], goaways.at(-1)]).toEqual([noticeLastStream, opened.at(-1)]);
      const answered = new Set(client.frames.filter((f) => f.type === "DATA" && f.flags & 1).map((f) => f.stream));
      expect(opened.filter((stream) => !answered.has(stream))).toEqual([]);
      await client.end();
    }
    await until("the connections are gone", () => lifecycle.snapshot().connections.length === 0);
  });

  test("the program's own session.close() and server.close() still work", async () => {
    const { handler, answer } = waitingHandler();
    const server = createServer(secure, handler);
    const sessions: http2.ServerHttp2Session[] = [];
    server.on("session", (session) => sessions.push(session));
    const lifecycle = manageConnections(server, { maxConnectionAgeMs: 60_000 });
    const port = await listen(server, onTestFinished);
    const client = await connectRaw(port, secure);
    onTestFinished(() => client.end());
    client.begin();
    client.request("/wait");
    await until("the stream is open", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
    sessions[0]?.close();
    lifecycle.retireConnections();
    answer();
    await until("FIN", () => client.ended);
    expect(order(client)).toEqual(["GOAWAY 1"]);
    const closed = once(server, "close");
    server.close();
    await closed;
    await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
  });

  test("a connection that never speaks is retired all the same", async () => {
    const server = createServer(secure, (_, response) => response.end());
    const lifecycle = manageConnections(server, { goawayPingTimeoutMs: 20 });
    const port = await listen(server, onTestFinished);
    const client = await connectRaw(port, secure);
    onTestFinished(() => client.end());
    client.autoAck = false;
    await until("the server has it", () => lifecycle.snapshot().connections[0]?.state === "ready");
    lifecycle.retireConnections();
    await until("FIN", () => client.ended);
    expect(client.frames[0]?.type).toBe("SETTINGS");
    expect(order(client)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", "GOAWAY 0"]);
  });
});

test("over TLS, a write while the end of the socket is under way does not end the process", async () => {
  const server = createServer(true, (_, response) => void setTimeout(() => response.end("late"), 20));
  server.on("secureConnection", (socket: TLSSocket) => {
    // as when the kernel's buffer is full
    const end = socket.end.bind(socket);
    socket.end = (...[callback]: unknown[]) => {
      setTimeout(() => end(callback as () => void), 60);
      return socket;
    };
  });
  const lifecycle = manageConnections(server);
  const port = await listen(server, onTestFinished);
  const client = await connectRaw(port, true);
  onTestFinished(() => client.end());
  client.begin();
  await until("the session", () => client.of("SETTINGS").length >= 2);
  client.request("/");
  client.socket.end();
  await until("the connection is gone", () => lifecycle.snapshot().connections.length === 0);
});

test("over TLS, requests and sessions show the TLS socket's properties", async () => {
  const seen: unknown[] = [];
  const server = createServer(true, (request, response) => {
    const socket = request.socket as TLSSocket;
    const { session } = request.stream;
    seen.push(
      socket.encrypted,
      socket.alpnProtocol,
      socket.authorized,
      socket.remoteAddress,
      typeof socket.remotePort,
      socket.localAddress,
      socket.getProtocol(),
      socket.getPeerCertificate(),
      session?.encrypted,
      session?.alpnProtocol,
      session?.socket.remoteAddress,
    );
    response.end();
  });
  manageConnections(server);
  const port = await listen(server, onTestFinished);
  const client = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const stream = client.request({ ":path": "/" });
  stream.resume();
  await once(stream, "close");
  client.close();
  await once(client, "close");
  expect(seen).toEqual([true, "h2", false, "127.0.0.1", "number", "127.0.0.1", "TLSv1.3", {}, true, "h2", "127.0.0.1"]);
});
