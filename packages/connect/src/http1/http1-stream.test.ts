import { once } from "node:events";
import { createConnection, createServer as createTcpServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { StatusCode, type StreamEnd } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import {
  type Dialled,
  dialPort,
  listen,
  open,
  post,
  type Request,
  startHttp,
  startRaw,
} from "../../test-helpers/http1.ts";

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

async function dialRaw(act: (socket: Socket, count: number) => void): Promise<Dialled> {
  const dialled = dialPort(await startRaw(act));
  await dialled.ready;
  return dialled;
}

async function endOf(act: (socket: Socket) => void): Promise<{ end: StreamEnd; request: Request; dialled: Dialled }> {
  const dialled = await dialRaw(act);
  const request = post(dialled.connection);
  return { end: await request.ended, request, dialled };
}

describe("the fate of a request is complete", () => {
  it.each([
    ["a length", `${ok}hello`, "hello"],
    ["chunks", `${chunked}5\r\nhello\r\n0\r\n\r\n`, "hello"],
    ["no body", "HTTP/1.1 204 No Content\r\n\r\n", ""],
    ["an empty body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""],
    ["304", "HTTP/1.1 304 Not Modified\r\n\r\n", ""],
    ["an interim response before it", `HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n${ok}hello`, "hello"],
    ["100 before it", `HTTP/1.1 100 Continue\r\n\r\n${ok}hello`, "hello"],
    ["garbage after it", `${ok}helloGARBAGE`, "hello"],
    ["another response after it", `${ok}hello${ok}other`, "hello"],
  ])("with %s", async (_name, response, body) => {
    const { end, request, dialled } = await endOf((socket) => socket.write(response));
    expect(end).toEqual({ kind: "complete" });
    expect(request.body()).toBe(body);
    expect(request.seen.filter((each) => each !== "data")).toEqual([
      expect.stringMatching(/^headers (200|204|304)$/),
      "closed",
    ]);
    expect(dialled.connection.inFlight).toBe(0);
    expect(dialled.goaways).toEqual([]);
  });

  it.each([
    ["FIN", (socket: Socket) => socket.end(`${ok}hello`)],
    [
      "FIN after Connection: close",
      (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello`),
    ],
    ["FIN after HTTP/1.0", (socket: Socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nhello")],
  ])("when it arrived together with %s", async (_name, act) => {
    const { end, request } = await endOf(act);
    expect(end).toEqual({ kind: "complete" });
    expect(request.body()).toBe("hello");
  });

  it("when the response is whole before the request is, whose socket is then closed", async () => {
    const sockets: Socket[] = [];
    const dialled = await dialRaw((socket) => {
      sockets.push(socket);
      socket.write(`${ok}hello`);
    });
    const request = open(dialled.connection);
    request.stream.write(Buffer.from("half"));
    expect(await request.ended).toEqual({ kind: "complete" });
    expect(request.stream.write(Buffer.from("late"))).toBe(true);
    request.stream.end(Buffer.from("late"));
    await once(sockets[0]!, "close");
    expect(dialled.connection.inFlight).toBe(0);
  });

  it("though the server is gone before a slow reader has all of it", async () => {
    const text = "x".repeat(300_000);
    const { port } = await startHttp((_request, response) => {
      response.setHeader("connection", "close").end(text);
    });
    const { connection, ready } = dialPort(port);
    await ready;
    const request = open(connection);
    request.stream.pause();
    request.stream.end();
    await expect.poll(() => request.seen).toEqual(["headers 200"]);
    await sleep(20);
    expect(request.body().length).toBeLessThan(text.length);
    request.stream.resume();
    expect(await request.ended).toEqual({ kind: "complete" });
    expect(request.body()).toBe(text);
  });
});

describe("the fate of a request is ambiguous", () => {
  it.each([
    ["FIN without a response", (socket: Socket) => socket.end(), 14, /the peer closed the connection/],
    ["a reset without a response", (socket: Socket) => socket.resetAndDestroy(), 14, /ECONNRESET/],
    ["FIN in the headers", (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-le"), 14, /the peer closed/],
    ["FIN in the body", (socket: Socket) => socket.end(`${ok}hel`), 14, /the peer closed/],
    ["FIN in a chunk", (socket: Socket) => socket.end(`${chunked}5\r\nhel`), 14, /the peer closed/],
    ["FIN before the last chunk", (socket: Socket) => socket.end(`${chunked}5\r\nhello\r\n`), 14, /the peer closed/],
    [
      "a reset in the body",
      (socket: Socket) => {
        socket.write(`${ok}hel`);
        setTimeout(() => socket.resetAndDestroy(), 20);
      },
      14,
      /ECONNRESET/,
    ],
    ["garbage", (socket: Socket) => socket.write("\0\0\x12\x04\0\0\0\0\0"), 13, /malformed response: .*HTTP\/1\.1 on/],
    ["garbage and FIN", (socket: Socket) => socket.end("nonsense\r\n\r\n"), 13, /malformed response/],
    ["garbage for a chunk", (socket: Socket) => socket.write(`${chunked}zz\r\n`), 13, /malformed response/],
    ["two lengths", (socket: Socket) => socket.write(`content-length: 3\r\n${ok}`), 13, /malformed response/],
    [
      "headers over the limit",
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\na: ${"x".repeat(20_000)}\r\n\r\n`),
      8,
      /response headers over the limit of nodeOptions\.maxHeaderSize/,
    ],
    [
      "a switch of protocols",
      (socket: Socket) => socket.write("HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
      13,
      /switched protocols \(101\)/,
    ],
  ] as const)("after %s", async (_name, act, code, text) => {
    const { end, request, dialled } = await endOf(act);
    expect(end).toMatchObject({ kind: "broken", fate: "ambiguous", errorCode: undefined, error: { code } });
    if (end.kind === "complete") throw new Error("unreachable");
    expect(end.error.message).toMatch(text);
    expect(end.error.message).toMatch(/^connection 1 to pod-1 \(127\.0\.0\.1:\d+\): /);
    expect(request.seen.filter((each) => each === "closed")).toHaveLength(1);
    expect(request.seen.at(-1)).toBe("closed");
    await sleep(5); // nothing follows
    expect(request.seen.at(-1)).toBe("closed");
    expect(dialled.connection.inFlight).toBe(0);
    // the endpoint may be well: the next request finds out
    expect(dialled.told).toEqual(["ready"]);
  });

  it("on a reused socket that is reset, as on a new one", async () => {
    const dialled = await dialRaw((socket, count) => {
      if (count === 1) socket.write(`${ok}hello`);
      else socket.resetAndDestroy();
    });
    expect(await post(dialled.connection).ended).toEqual({ kind: "complete" });
    expect(await post(dialled.connection).ended).toMatchObject({ fate: "ambiguous", error: { code: 14 } });
    expect(dialled.told).toEqual(["ready"]);
  });

  it("when the server closes the idle socket as the request is on its way", async () => {
    const racing = await dialRaw((socket, count) => {
      // the FIN is on its way, and nobody answers what comes after it
      if (count === 1) socket.write(`${ok}hello`, () => socket.end());
      else socket.destroy();
    });
    expect(await post(racing.connection).ended).toEqual({ kind: "complete" });
    expect(await post(racing.connection).ended).toMatchObject({ kind: "broken", fate: "ambiguous" });
    expect(racing.told).toEqual(["ready"]);
  });
});

describe("the fate of a request is unsent", () => {
  it("when its socket is refused, and the owner hears of it first", async () => {
    const { port, server } = await startHttp((request, response) => {
      request.on("end", () => response.end()).resume();
    });
    const dialled = dialPort(port);
    await dialled.ready;
    expect(await post(dialled.connection).ended).toEqual({ kind: "complete" });
    const held = open(dialled.connection); // has the idle socket
    held.stream.write(Buffer.from("x"));
    await sleep(5);
    server.close();
    const [{ ended, seen }, other] = [post(dialled.connection), post(dialled.connection)];
    expect(await other.ended).toMatchObject({ fate: "unsent" });
    expect(await ended).toMatchObject({
      kind: "broken",
      fate: "unsent",
      error: { code: 14, message: expect.stringMatching(/^connection 1 to pod-1 .*ECONNREFUSED 127\.0\.0\.1:\d+$/) },
    });
    expect(seen).toEqual(["closed"]);
    expect(dialled.goaways).toMatchObject([{ errorCode: 10, lastStreamId: 2 ** 31 - 1 }]);
    expect(dialled.goaways[0]?.debugData).toMatch(/ECONNREFUSED/);
    expect(await post(dialled.connection).ended).toMatchObject({ fate: "unsent" });
    expect(dialled.connection.inFlight).toBe(1);
    held.stream.end();
    expect(await held.ended).toEqual({ kind: "complete" });
    expect(await dialled.closed).toMatchObject({ orderly: false, streamsLost: 0 });
    expect((await dialled.closed).reason.message).toMatch(/ECONNREFUSED/);
    expect(dialled.told).toEqual(["ready", "goaway", "closed"]);
  });

  it("when its socket does not connect in time", async () => {
    const clock = new FakeClock();
    const { port } = await startHttp((request, response) => {
      request.on("end", () => response.end()).resume();
    });
    let dials = 0;
    const dialled = dialPort(port, {
      clock,
      connectTimeoutMs: 700,
      nodeOptions: {
        createConnection: () => {
          dials++;
          const lookup = (): void => {}; // never answers
          return createConnection(dials === 1 ? { host: "127.0.0.1", port } : { host: "pod-1.test", port, lookup });
        },
      },
    });
    await dialled.ready;
    const first = open(dialled.connection);
    const second = post(dialled.connection);
    await expect.poll(() => clock.pending).toBe(1);
    await clock.advance(699);
    expect(second.seen).toEqual([]);
    await clock.advance(1);
    expect(await second.ended).toMatchObject({ fate: "unsent", error: { code: 14 } });
    expect(dialled.goaways).toMatchObject([{ errorCode: 10, debugData: expect.stringMatching(/after 700 ms/) }]);
    first.stream.end();
    await first.ended;
    await dialled.closed;
    expect(clock.pending).toBe(0);
  });

  it("on a connection that is not ready, drains, or is gone", async () => {
    const { port } = await startHttp((_request, response) => response.end());
    const dialled = dialPort(port);
    expect(await post(dialled.connection).ended).toMatchObject({ fate: "unsent" });
    await dialled.ready;
    dialled.connection.drain();
    expect(await post(dialled.connection).ended).toMatchObject({ fate: "unsent" });
    await dialled.closed;
    expect(await post(dialled.connection).ended).toMatchObject({ fate: "unsent" });
    expect(dialled.connection.inFlight).toBe(0);
  });
});

describe("given up,", () => {
  const reason = new Error("enough");

  it("a request is unsent before it has a socket", async () => {
    const { port, sockets } = await startHttp(() => {});
    const { connection, ready, told } = dialPort(port);
    await ready;
    const request = post(connection);
    request.stream.cancel(reason);
    request.stream.cancel(new Error("once more"));
    expect(request.seen).toEqual([]);
    expect(await request.ended).toEqual({ kind: "broken", fate: "unsent", errorCode: undefined, error: reason });
    expect(connection.inFlight).toBe(0);
    await sleep(5);
    expect(request.seen).toEqual(["closed"]);
    expect(told).toEqual(["ready"]);
    expect(sockets).toHaveLength(1);
  });

  it("a request is ambiguous once it was sent", async () => {
    const arrived = Promise.withResolvers<Socket>();
    const { port } = await startHttp((request) => arrived.resolve(request.socket));
    const { connection, ready, told } = dialPort(port);
    await ready;
    const request = post(connection);
    const socket = await arrived.promise;
    request.stream.cancel(reason);
    expect(await request.ended).toEqual({ kind: "broken", fate: "ambiguous", errorCode: undefined, error: reason });
    await once(socket, "close"); // the server hears of it
    expect(request.seen).toEqual(["closed"]);
    expect(told).toEqual(["ready"]);
  });

  it("a request is ambiguous in the middle of its response, and hears no more of it", async () => {
    const { port } = await startHttp((_request, response) => {
      response.write("begun");
      const timer = setInterval(() => response.write("more"), 1);
      response.on("close", () => clearInterval(timer));
    });
    const { connection, ready } = dialPort(port);
    await ready;
    const request = post(connection);
    await expect.poll(() => request.body()).toMatch(/begun/);
    request.stream.cancel(reason);
    const before = request.body();
    expect(await request.ended).toMatchObject({ fate: "ambiguous", error: reason });
    await sleep(10);
    expect(request.body()).toBe(before);
    request.stream.pause();
    request.stream.resume();
    request.stream.end();
    expect(request.seen).toEqual(["headers 200", "data", "closed"]);
  });

  it("a request that is whole stays so", async () => {
    const { connection } = await dialRaw((socket) => socket.write(`${ok}hello`));
    const request = post(connection);
    await request.ended;
    request.stream.cancel(reason);
    await sleep(5);
    expect(request.seen).toEqual(["headers 200", "data", "closed"]);
  });
});

describe("a request", () => {
  async function received(send: (request: Request) => void, head: Parameters<typeof open>[1] = {}) {
    const { port } = await startHttp((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method, url, rawHeaders } = request;
        response.end(JSON.stringify({ method, url, rawHeaders, body: Buffer.concat(chunks).toString() }));
      });
    });
    const { connection, ready } = dialPort(port);
    await ready;
    const request = open(connection, head);
    send(request);
    expect(await request.ended).toEqual({ kind: "complete" });
    const { rawHeaders, ...rest } = JSON.parse(request.body());
    return { ...rest, headers: rawHeaders.join(" ").replaceAll(String(port), "PORT") };
  }

  it("has its length where its body comes at once", async () => {
    const { headers, body } = await received(({ stream }) => stream.end(Buffer.from("whole")));
    expect(headers).toBe("host orders.test:PORT Connection keep-alive Content-Length 5");
    expect(body).toBe("whole");
  });

  it("is chunked otherwise", async () => {
    const { headers, body } = await received(({ stream }) => {
      stream.write(Buffer.from("by "));
      stream.write(new Uint8Array());
      setTimeout(() => stream.end(Buffer.from("and by")), 5);
    });
    expect(headers).toBe("host orders.test:PORT Connection keep-alive Transfer-Encoding chunked");
    expect(body).toBe("by and by");
  });

  it("without a body has none", async () => {
    const got = await received(() => {}, { method: "GET", path: "/s/m?a=b", endStream: true });
    expect(got).toEqual({
      method: "GET",
      url: "/s/m?a=b",
      headers: "host orders.test:PORT Connection keep-alive",
      body: "",
    });
    const { headers } = await received(({ stream }) => stream.end());
    expect(headers).toBe("host orders.test:PORT Connection keep-alive Content-Length 0");
  });

  it("has the headers that it was given, repeated ones and those of its own as well", async () => {
    const { headers } = await received(({ stream }) => stream.end(), {
      headers: [
        ["te", "trailers"],
        ["x-a", "1"],
        ["__proto__", "p"],
      ],
      furtherHeaders: [
        ["x-a", "2"],
        ["x-b", "é"],
      ],
    });
    expect(headers).toMatch(/te trailers x-a 1 x-a 2 __proto__ p x-b é/);
  });

  it("is sent without waiting for its body", async () => {
    const { port } = await startHttp((request, response) => {
      response.write("early");
      request.on("end", () => response.end()).resume();
    });
    const { connection, ready } = dialPort(port);
    await ready;
    const request = open(connection);
    await expect.poll(() => request.body()).toBe("early");
    request.stream.end();
    expect(await request.ended).toEqual({ kind: "complete" });
  });

  it.each([
    [{ headers: [["a\nb", "c"]] }],
    [{ headers: [["a", "b\r\nc: d"]] }],
    [{ headers: [[":path", "/"]] }],
    [{ headers: [["a", "\u{1f600}"]] }],
    [{ path: "/a b" }],
    [{ method: "PO ST" }],
    [{ headers: [["trailer", "x"]], method: "GET", endStream: true }],
  ] as const)("with the malformed %j throws, and leaves nothing behind", async (head) => {
    const { port, sockets } = await startHttp((_request, response) => response.end());
    const { connection, ready, told } = dialPort(port);
    await ready;
    expect(() => open(connection, head)).toThrow(TypeError);
    expect(() => open(connection, head)).toThrow(/^malformed request headers: /);
    expect(connection.inFlight).toBe(0);
    expect(await post(connection).ended).toEqual({ kind: "complete" });
    expect(told).toEqual(["ready"]);
    expect(sockets.length).toBeLessThanOrEqual(3);
  });

  it("whose headers node refuses only when it sends them ends with an error", async () => {
    const { port } = await startHttp((_request, response) => response.end());
    const { connection, ready } = dialPort(port);
    await ready;
    for (const send of [(request: Request) => request.stream.end(Buffer.from("x")), () => {}]) {
      const request = open(connection, {
        headers: [
          ["trailer", "x"],
          ["content-length", "1"],
        ],
      });
      send(request);
      expect(await request.ended).toMatchObject({ kind: "broken", error: { code: StatusCode.internal } });
    }
    expect(connection.inFlight).toBe(0);
  });
});

describe("a response", () => {
  it("has its headers and trailers as they came, with names in lower case", async () => {
    const { request } = await endOf((socket) =>
      socket.write(
        "HTTP/1.1 404 Not Found\r\nX-A: 1\r\nSet-Cookie: a\r\nx-a: 2\r\nset-cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n" +
          "2\r\nhi\r\n0\r\nX-T: 3\r\nx-t: 4\r\n\r\n",
      ),
    );
    expect(request.seen).toEqual(["headers 404", "data", "trailers", "closed"]);
    expect(request.lists).toEqual({
      headers: [
        ["x-a", "1"],
        ["set-cookie", "a"],
        ["x-a", "2"],
        ["set-cookie", "b"],
        ["transfer-encoding", "chunked"],
      ],
      trailers: [
        ["x-t", "3"],
        ["x-t", "4"],
      ],
    });
  });

  it("holds its sender back while it is paused", async () => {
    const chunk = Buffer.alloc(64 * 1024);
    let sent = 0;
    const total = 64 * 1024 * 1024;
    const { port } = await startHttp(async (_request, response) => {
      while (sent < total) {
        sent += chunk.length;
        if (!response.write(chunk)) await once(response, "drain");
      }
      response.end();
    });
    const { connection, ready } = dialPort(port);
    await ready;
    let bytes = 0;
    const ended = Promise.withResolvers<StreamEnd>();
    const stream = connection.open(
      { method: "POST", path: "/", headers: [], endStream: true },
      {
        headers: () => stream.pause(),
        data: (each) => {
          bytes += each.length;
        },
        drained() {},
        trailers() {},
        closed: ended.resolve,
      },
    );
    await expect.poll(() => sent).toBeGreaterThan(0);
    await sleep(100);
    expect(sent).toBeLessThan(total / 2);
    expect(bytes).toBeLessThan(1024 * 1024);
    stream.resume();
    expect(await ended.promise).toEqual({ kind: "complete" });
    expect(bytes).toBe(total);
  });
});

it("a request whose peer does not read is held back, and told when it may go on", async () => {
  let peer: Socket | undefined;
  let bytes = 0;
  const port = await listen(
    createTcpServer({ pauseOnConnect: true }, (socket) => {
      peer = socket;
      socket.on("data", (chunk) => {
        bytes += chunk.length;
        if (chunk.toString("latin1").endsWith("0\r\n\r\n")) socket.write(`${ok}hello`);
      });
    }),
  );
  const { connection, ready } = dialPort(port);
  await ready;
  const request = open(connection);
  const chunk = Buffer.alloc(256 * 1024);
  let writes = 0;
  let isFull = false;
  // the kernel's buffers take some of it
  while (writes < 400 && !isFull) {
    writes++;
    if (!request.stream.write(chunk)) {
      await sleep(20);
      isFull = !request.seen.includes("drained");
      request.seen.length = 0;
    }
  }
  expect(isFull).toBe(true);
  peer?.resume();
  await expect.poll(() => request.seen).toContain("drained");
  expect(request.stream.write(Buffer.from("x"))).toBe(true);
  request.stream.end();
  expect(await request.ended).toEqual({ kind: "complete" });
  expect(bytes).toBeGreaterThan(writes * chunk.length);
});
