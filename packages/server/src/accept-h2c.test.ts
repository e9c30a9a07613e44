import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectionPreface } from "../../http2/src/frames/frame.ts";
import { goawaysOf } from "../test-helpers/goaways.ts";
import { connectHttp1, keepAliveAgent, request } from "../test-helpers/http1-client.ts";
import { connectRaw, noticeLastStream, type RawClient, until } from "../test-helpers/raw-client.ts";
import { listen } from "../test-helpers/servers.ts";
import { acceptH2c } from "./accept-h2c.ts";
import { createLifecycle } from "./server-lifecycle.ts";

interface Servers {
  readonly http1Server: http.Server;
  readonly http2Server: http2.Http2Server;
}

/** Both answer with the protocol, the request's method and path, and a digest of its body. */
function createServers(options: http.ServerOptions = {}): Servers {
  const answer = async (request: http.IncomingMessage | http2.Http2ServerRequest): Promise<string> => {
    const hash = createHash("sha256");
    for await (const chunk of request) hash.update(chunk as Buffer);
    return `${request.httpVersion} ${request.method} ${request.url} ${hash.digest("hex")}`;
  };
  return {
    http1Server: http.createServer(options, (request, response) => {
      void answer(request).then((text) => response.end(text));
    }),
    http2Server: http2.createServer((request, response) => {
      void answer(request).then((text) => response.end(text));
    }),
  };
}

const digest = (body: Uint8Array): string => createHash("sha256").update(body).digest("hex");
const nothing = digest(new Uint8Array());

async function setUp(options: http.ServerOptions = {}): Promise<Servers & { readonly port: number }> {
  const servers = createServers(options);
  acceptH2c(servers.http1Server, servers.http2Server);
  return { ...servers, port: await listen(servers.http1Server, onTestFinished) };
}

async function connectH2c(port: number): Promise<RawClient> {
  const client = await connectRaw(port, false);
  onTestFinished(() => client.end());
  client.socket.setNoDelay(true);
  return client;
}

test("clients of HTTP/1.1 and of HTTP/2 are served on one port, on connections that they keep", async () => {
  const { port } = await setUp();
  const agent = keepAliveAgent(onTestFinished);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  for (const round of [1, 2, 3]) {
    expect(await request(`http://127.0.0.1:${port}/${round}`, { agent })).toMatchObject({
      status: 200,
      body: `1.1 GET /${round} ${nothing}`,
      reused: round > 1,
    });
    const stream = session.request({ ":path": `/${round}`, ":method": "POST" }).setEncoding("utf8");
    stream.end("body");
    let text = "";
    for await (const chunk of stream) text += chunk;
    expect(text).toBe(`2.0 POST /${round} ${digest(Buffer.from("body"))}`);
  }
  session.close();
  await once(session, "close");
});

describe("no byte is lost", () => {
  const http1 = Buffer.from(
    "POST /split HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody",
  );

  test("when HTTP/1.1 comes byte by byte", async () => {
    const { port } = await setUp();
    const client = await connectHttp1(port, onTestFinished);
    for (const byte of http1) {
      client.socket.write(Uint8Array.of(byte));
      await sleep(1);
    }
    await until("the end", () => client.ended());
    expect(client.text()).toContain(`1.1 POST /split ${digest(Buffer.from("body"))}`);
  });

  /** What a client sends with its first request, and the client that reads the answer. */
  async function beginH2c(port: number): Promise<{ client: RawClient; stream: number; bytes: Buffer }> {
    const client = await connectH2c(port);
    client.autoAck = false; // an acknowledgement in between would be in the middle of a frame
    const chunks: Buffer[] = [];
    const { write } = client.socket;
    client.socket.write = (chunk: Uint8Array | string) => chunks.push(Buffer.from(chunk as Uint8Array)) > 0;
    client.begin();
    const stream = client.request("/split");
    client.socket.write = write;
    return { client, stream, bytes: Buffer.concat(chunks) };
  }

  test("when HTTP/2 comes byte by byte", async () => {
    const { port } = await setUp();
    const { client, stream, bytes } = await beginH2c(port);
    for (const byte of bytes) {
      client.socket.write(Uint8Array.of(byte));
      await sleep(1);
    }
    await until("the answer", () => client.isComplete(stream));
    expect(client.dataOf(stream).toString()).toBe(`2.0 POST /split ${nothing}`);
    expect(client.of("other")).toEqual([]);
  });

  test.each([1, 2, 3, 4, 14, 23, 24, 25, 40])("when HTTP/1.1 and HTTP/2 pause after %i bytes", async (first) => {
    const { port } = await setUp();
    const plain = await connectHttp1(port, onTestFinished);
    const { client, stream, bytes } = await beginH2c(port);
    plain.socket.write(http1.subarray(0, first));
    client.socket.write(bytes.subarray(0, first));
    await sleep(10);
    plain.socket.write(http1.subarray(first));
    client.socket.write(bytes.subarray(first));
    await until("both are answered", () => plain.ended() && client.isComplete(stream));
    expect(plain.text()).toContain(`1.1 POST /split ${digest(Buffer.from("body"))}`);
    expect(client.dataOf(stream).toString()).toBe(`2.0 POST /split ${nothing}`);
  });

  test("when much of a body comes with the first bytes, and when requests are pipelined", async () => {
    const { port } = await setUp();
    const body = Buffer.alloc(5_000_000, "evenkeel");
    const agent = keepAliveAgent(onTestFinished);
    const answer = await request(`http://127.0.0.1:${port}/upload`, { agent, method: "POST" }, body);
    expect(answer.body).toBe(`1.1 POST /upload ${digest(body)}`);

    const client = await connectHttp1(port, onTestFinished);
    client.socket.write("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\nGET /3 HTTP/1.1\r\n");
    client.socket.write("host: x\r\nconnection: close\r\n\r\n");
    await until("the end", () => client.ended());
    expect(client.text().match(/1\.1 GET \/\d/g)).toEqual(["1.1 GET /1", "1.1 GET /2", "1.1 GET /3"]);
  });

  test("when the client half-closes behind its request", async () => {
    const { port } = await setUp();
    const plain = await connectHttp1(port, onTestFinished);
    plain.socket.end("GET /half HTTP/1.1\r\nhost: x\r\n\r\n");
    const raw = await connectH2c(port);
    raw.begin();
    const stream = raw.request("/half");
    raw.socket.end();
    await until("both connections' end", () => plain.closed() && raw.closed);
    expect(plain.text()).toContain(`1.1 GET /half ${nothing}`);
    expect(raw.dataOf(stream).toString()).toBe(`2.0 POST /half ${nothing}`);
  });

  test("when a stream without a file descriptor is the connection", async () => {
    const { http1Server } = await setUp();
    let text = "";
    const socket = new Duplex({
      read() {},
      write(chunk, _, done) {
        text += chunk;
        done();
      },
    });
    http1Server.emit("connection", socket);
    for (const byte of http1) socket.push(Uint8Array.of(byte));
    await until("the answer", () => text.includes(digest(Buffer.from("body"))));
    socket.destroy();
  });
});

test("what only resembles the preface is for the server of HTTP/1.1", async () => {
  const { port } = await setUp();
  for (const method of ["PUT", "PATCH", "PROPFIND"]) {
    const answer = await request(`http://127.0.0.1:${port}/`, { method, agent: keepAliveAgent(onTestFinished) });
    expect(answer.body).toBe(`1.1 ${method} / ${nothing}`);
  }
  const client = await connectHttp1(port, onTestFinished);
  client.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX");
  await until("the end", () => client.ended());
  expect(client.text()).toMatch(/^HTTP\/1\.1 400 /);
});

test("upgrades and 100-continue of HTTP/1.1 work as without it", async () => {
  const { port, http1Server } = await setUp();
  http1Server.on("upgrade", (_, socket: Duplex, head: Buffer) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.write(head);
    socket.pipe(socket);
  });
  const client = await connectHttp1(port, onTestFinished);
  client.socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhead");
  await until("the head", () => client.text().endsWith("\r\n\r\nhead"));
  client.socket.write(" and tail");
  await until("the tail", () => client.text().endsWith("head and tail"));
  client.socket.end();
  await until("the end", () => client.closed());

  const patient = http.request({ port, host: "127.0.0.1", method: "POST", headers: { expect: "100-continue" } });
  patient.flushHeaders();
  await once(patient, "continue");
  patient.end("body");
  const [response] = (await once(patient, "response")) as [http.IncomingMessage];
  expect(String(await response.setEncoding("utf8").toArray())).toContain(digest(Buffer.from("body")));
});

describe("connections that do not tell what they are", () => {
  test.each([
    ["silent", ""],
    ["silent after a part of the preface", connectionPreface.subarray(0, 23)],
  ])("%s: they are closed after headersTimeout", async (_, first) => {
    const { port, http1Server } = await setUp();
    http1Server.headersTimeout = 30;
    const client = await connectHttp1(port, onTestFinished);
    client.socket.write(first);
    await until("the end", () => client.closed());
    expect(client.text()).toBe("");
  });

  test("with headersTimeout 0 they may be silent for as long as they like", async () => {
    const { port, http1Server } = await setUp();
    http1Server.headersTimeout = 0;
    const client = await connectHttp1(port, onTestFinished);
    await sleep(50);
    client.socket.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    await until("the end", () => client.ended());
    expect(client.text()).toContain("1.1 GET /");
  });

  test("a client that leaves, resets, or half-closes before it has told leaves nothing behind", async () => {
    const { port, http1Server } = await setUp();
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) => {
        http1Server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      });
    for (const first of ["", "PRI * H"]) {
      for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
        const client = await connectHttp1(port, onTestFinished);
        client.socket.write(first);
        await sleep(5);
        client.socket[leave]();
        await until("the end", () => client.closed());
      }
    }
    for (let turn = 0; (await connections()) > 0 && turn < 100; turn++) await sleep(5);
    expect(await connections()).toBe(0);
    expect((await request(`http://127.0.0.1:${port}/`, { agent: false })).status).toBe(200);
  });

  test("closeAllConnections() closes them, closeIdleConnections() leaves them", async () => {
    const { port, http1Server } = await setUp();
    const clients = [await connectHttp1(port, onTestFinished), await connectHttp1(port, onTestFinished)];
    await sleep(5);
    http1Server.closeIdleConnections();
    clients[0]?.socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await until("the answer", () => clients[0]?.text().includes("1.1 GET /") === true);
    http1Server.closeAllConnections();
    await until("the end", () => clients.every((client) => client.closed()));
  });
});

describe("what http.Server does for its connections it still does", () => {
  test("close() closes idle connections, and calls back when those of h2c are gone as well", async () => {
    const { port, http1Server } = await setUp();
    const plain = await connectHttp1(port, onTestFinished);
    plain.socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const raw = await connectH2c(port);
    raw.begin();
    const stream = raw.request("/");
    await until("the answers", () => plain.text().includes("1.1 GET") && raw.isComplete(stream));
    let closed = false;
    http1Server.close(() => {
      closed = true;
    });
    await until("the idle connection's end", () => plain.closed());
    expect(closed).toBe(false);
    const late = raw.request("/late");
    await until("the late answer", () => raw.isComplete(late));
    raw.socket.end();
    await until("the callback", () => closed);
  });

  test("slow headers are timed out", async () => {
    const { port } = await setUp({ connectionsCheckingInterval: 10, headersTimeout: 50, requestTimeout: 50 });
    const client = await connectHttp1(port, onTestFinished);
    client.socket.write("GET / HTTP/1.1\r\nhost:");
    await until("the end", () => client.ended());
    expect(client.text()).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe.each(["before", "after"])("with lifecycles that manage the server of HTTP/1.1 %s acceptH2c()", (first) => {
  test.each(["before", "after"])(
    "and that of HTTP/2 %s it, both kinds are retired as they should be",
    async (second) => {
      const { http1Server, http2Server } = createServers();
      const lifecycle = createLifecycle({ readinessDelayMs: 0 });
      if (first === "before") lifecycle.manage(http1Server);
      if (second === "before") lifecycle.manage(http2Server);
      acceptH2c(http1Server, http2Server);
      if (first === "after") lifecycle.manage(http1Server);
      if (second === "after") lifecycle.manage(http2Server);
      const port = await listen(http1Server, onTestFinished);

      const agent = keepAliveAgent(onTestFinished);
      const ask = () => request(`http://127.0.0.1:${port}/`, { agent });
      await ask();
      const raw = await connectH2c(port);
      raw.begin();
      await until("SETTINGS", () => raw.of("SETTINGS").length >= 2);
      expect(lifecycle.snapshot().connections.map(({ protocol }) => protocol)).toEqual(["http/1.1", "h2c"]);

      lifecycle.retireConnections();
      expect(await ask()).toMatchObject({ status: 200, reused: true, headers: { connection: "close" } });
      await until("FIN", () => raw.ended);
      expect(goawaysOf(raw)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", "GOAWAY 0"]);

      expect(await ask()).toMatchObject({ status: 200, reused: false });
      const anew = await connectH2c(port);
      anew.begin();
      const stream = anew.request("/");
      await until("the answer", () => anew.isComplete(stream));
      agent.destroy();
      const shutdown = lifecycle.shutdown();
      await until("FIN", () => anew.ended);
      expect(goawaysOf(anew)).toEqual([`GOAWAY ${noticeLastStream}`, "PING", `GOAWAY ${stream}`]);
      await shutdown;
      expect(http1Server.listening).toBe(false);
      expect(raw.of("other").concat(anew.of("other"))).toEqual([]);
    },
  );

  test("a shutdown waits for a connection that is about to speak", async () => {
    const { http1Server, http2Server } = createServers();
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    if (first === "before") lifecycle.manage(http1Server);
    acceptH2c(http1Server, http2Server);
    if (first === "after") lifecycle.manage(http1Server);
    lifecycle.manage(http2Server);
    const port = await listen(http1Server, onTestFinished);
    const [plain, raw] = [await connectHttp1(port, onTestFinished), await connectH2c(port)];
    await until("the server has them", () => lifecycle.snapshot().connections.length === 2);
    const shutdown = lifecycle.shutdown();
    await until("the end of listening", () => lifecycle.phase === "draining");
    plain.socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    raw.begin();
    const stream = raw.request("/");
    await until("their ends", () => plain.ended() && raw.ended);
    expect(plain.text()).toMatch(/connection: close\r\n[\s\S]*1\.1 GET \//i);
    expect(raw.isComplete(stream)).toBe(true);
    await shutdown;
  });
});

test("maxConnections counts each connection once, whatever it turns out to be", async () => {
  const { http1Server, http2Server } = createServers();
  const lifecycle = createLifecycle({ maxConnections: 1, readinessDelayMs: 0 });
  acceptH2c(http1Server, http2Server);
  lifecycle.manage(http1Server);
  lifecycle.manage(http2Server);
  const port = await listen(http1Server, onTestFinished);
  const raw = await connectH2c(port);
  raw.begin();
  const stream = raw.request("/");
  await until("the answer", () => raw.isComplete(stream));
  const refused = await connectHttp1(port, onTestFinished);
  await until("the refusal", () => refused.closed());
  await raw.end();
  await until("the first one's end", () => lifecycle.snapshot().connections.length === 0);
  expect((await request(`http://127.0.0.1:${port}/`, { agent: false })).status).toBe(200);
  expect(lifecycle.snapshot().totals).toMatchObject({ opened: 2, refused: 1 });
});

test("servers are checked", () => {
  const http1Server = http.createServer();
  const http2Server = http2.createServer();
  const refused: [unknown, unknown, RegExp][] = [
    [undefined, http2Server, /first server.*http\.createServer\(\), not undefined/],
    [https.createServer(), http2Server, /first server.*not Server;.*allowHTTP1/],
    [http2Server, http2Server, /first server.*not Http2Server/],
    [http1Server, undefined, /second server.*http2\.createServer\(\), not undefined/],
    [http1Server, http.createServer(), /second server.*not Server/],
    [http1Server, net.createServer(), /second server.*not Server/],
    [http1Server, http2.createSecureServer(), /second server.*not Http2SecureServer/],
  ];
  for (const [first, second, message] of refused) {
    const accept = () => acceptH2c(first as http.Server, second as http2.Http2Server);
    expect(accept).toThrow(TypeError);
    expect(accept).toThrow(message);
  }
  acceptH2c(http1Server, http2Server);
  expect(() => acceptH2c(http1Server, http2.createServer())).toThrow("accepts h2c already");
});
