import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { cert, key } from "../test-helpers/certificate.ts";
import { until } from "../test-helpers/raw-client.ts";
import { listen } from "../test-helpers/servers.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleOptions } from "./options.ts";
import { createLifecycle } from "./server-lifecycle.ts";

type Server = http.Server | https.Server;

interface Served {
  readonly lifecycle: Lifecycle;
  readonly server: Server;
  readonly port: number;
  /** How many sockets the server accepted. */
  accepted: number;
  /** Asks for the path with an agent that keeps at most `maxSockets` connections. */
  get(path?: string): Promise<string>;
}

async function serve(
  secure: boolean,
  handler: http.RequestListener,
  options: LifecycleOptions = {},
  serverOptions: http.ServerOptions = {},
  maxSockets = 1,
): Promise<Served> {
  const server: Server = secure
    ? https.createServer({ key, cert, ...serverOptions }, handler)
    : http.createServer(serverOptions, handler);
  const lifecycle = createLifecycle(options);
  lifecycle.manage(server);
  const port = await listen(server, onTestFinished);
  const agent = secure
    ? new https.Agent({ keepAlive: true, maxSockets, rejectUnauthorized: false })
    : new http.Agent({ keepAlive: true, maxSockets });
  onTestFinished(() => agent.destroy());
  const served: Served = {
    ...{ lifecycle, server, port, accepted: 0 },
    async get(path = "/") {
      const request = (secure ? https : http).get({ port, host: "127.0.0.1", agent, path });
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      let body = "";
      for await (const chunk of response.setEncoding("utf8")) body += chunk;
      return body;
    },
  };
  server.on(secure ? "secureConnection" : "connection", () => {
    served.accepted++;
  });
  return served;
}

/** Sends bytes on a connection of its own; collects what comes back. */
async function connectPlain(port: number): Promise<{ socket: net.Socket; received: () => string }> {
  const socket = net.connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("latin1").on("data", (text) => {
    received += text;
  });
  socket.on("error", () => {});
  await once(socket, "connect");
  onTestFinished(async () => {
    if (socket.closed) return;
    socket.destroy();
    await once(socket, "close");
  });
  return { socket, received: () => received };
}

describe.each([
  { name: "http", secure: false },
  { name: "https", secure: true },
])("$name", ({ secure }) => {
  test("a retired connection ends with its next response, and the client connects anew", async () => {
    const served = await serve(secure, (_, response) => response.end("done"));
    const { lifecycle, get } = served;
    await get();
    await get();
    expect(lifecycle.snapshot()).toMatchObject({
      totals: { opened: 1, closed: 0, streams: 2 },
      connections: [{ protocol: "http/1.1", state: "ready", streams: 2, openStreams: 0 }],
    });
    lifecycle.retireConnections();
    expect(lifecycle.snapshot().connections).toMatchObject([{ state: "retiring" }]);
    expect(await get()).toBe("done");
    await until("it is gone", () => lifecycle.snapshot().connections.length === 0);
    expect(await get()).toBe("done");
    expect(lifecycle.snapshot().totals).toMatchObject({ opened: 2, closed: 1, retired: 1, streams: 4 });
    expect(served.accepted).toBe(2);
  });

  test("under load, maximum age and a request limit rotate connections and lose nothing", async () => {
    const options = { maxConnectionAgeMs: 30, maxRequestsPerConnection: 40 };
    const served = await serve(secure, (_, response) => void setTimeout(() => response.end("done"), 1), options, {}, 8);
    let answered = 0;
    const work = async (): Promise<void> => {
      while (answered < 1_500) {
        expect(await served.get()).toBe("done");
        answered++;
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    expect(served.accepted).toBeGreaterThan(20);
  }, 20_000);

  test("a shutdown under load loses nothing that has reached the server, and ends", async () => {
    const served = await serve(
      secure,
      (_, response) => void setTimeout(() => response.end("done"), 1),
      {
        readinessDelayMs: 0,
      },
      {},
      8,
    );
    const failures: unknown[] = [];
    let answered = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        try {
          expect(await served.get()).toBe("done");
          answered++;
        } catch (error) {
          failures.push((error as NodeJS.ErrnoException).code);
          return;
        }
      }
    };
    const all = Promise.all(Array.from({ length: 8 }, work));
    await until("it is at work", () => answered > 100);
    await served.lifecycle.shutdown();
    await all;
    // they connect anew, and nobody listens
    expect(failures).toEqual(Array.from({ length: 8 }, () => "ECONNREFUSED"));
    expect(served.lifecycle.snapshot()).toMatchObject({ phase: "closed", connections: [] });
  }, 20_000);
});

test("in a shutdown, idle connections are closed after 5 s; a response under way is finished and says close", async () => {
  const clock = new FakeClock();
  let answer = (): void => {};
  const served = await serve(
    false,
    (request, response) => {
      if (request.url === "/wait") answer = () => response.end("waited");
      else response.end("done");
    },
    { clock, readinessDelayMs: 0 },
    { keepAliveTimeout: 600_000 },
    2,
  );
  const waited = served.get("/wait");
  await until("the request", () => served.lifecycle.snapshot().connections.length === 1);
  await served.get();
  const done = served.lifecycle.shutdown();
  await clock.advance(0);
  await until("the end of listening", () => !served.server.listening);
  expect(served.lifecycle.snapshot().connections).toHaveLength(2);
  await clock.advance(5_000);
  await until("the idle one is gone", () => served.lifecycle.snapshot().connections.length === 1);
  answer();
  expect(await waited).toBe("waited");
  await done;
  expect(clock.pending).toBe(0);
});

test("pipelined requests are all answered, and the last response says close", async () => {
  const answers: (() => void)[] = [];
  const served = await serve(false, (request, response) => void answers.push(() => response.end(request.url)));
  const { socket, received } = await connectPlain(served.port);
  socket.write("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
  await until("both requests", () => answers.length === 2);
  served.lifecycle.retireConnections();
  for (const answer of answers) answer();
  await once(socket, "close");
  const heads = received().split("HTTP/1.1 200 OK").slice(1);
  expect(heads.map((head) => /^connection: (.*)$/im.exec(head)?.[1])).toEqual(["keep-alive", "close"]);
  expect(heads[1]).toContain("/2");
});

test("Expect: 100-continue and handlers that write raw headers are told as well", async () => {
  const served = await serve(false, (_, response) => response.writeHead(200, { "x-a": "b" }).end("done"));
  served.server.on("checkContinue", (_request, response) => {
    response.writeContinue();
    response.writeHead(201, ["x-a", "b"]).end("continued");
  });
  for (const [head, body] of [
    ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "done"],
    ["POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n", "continued"],
  ]) {
    const { socket, received } = await connectPlain(served.port);
    await until("the connection", () => served.lifecycle.snapshot().connections.length === 1);
    served.lifecycle.retireConnections();
    socket.write(head!);
    await once(socket, "close");
    expect(received()).toMatch(/connection: close/i);
    expect(received()).toContain(body);
    await until("it is gone", () => served.lifecycle.snapshot().connections.length === 0);
  }
});

test("an upgraded connection is left to the program, and cut when the drain is over", async () => {
  const served = await serve(false, (_, response) => response.end(), { readinessDelayMs: 0, drainTimeoutMs: 100 });
  served.server.on("upgrade", (_request, socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  const { socket, received } = await connectPlain(served.port);
  socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
  await until("the upgrade", () => received().includes("101"));
  served.lifecycle.retireConnections();
  socket.write("still here");
  await until("the echo", () => received().endsWith("still here"));
  const done = served.lifecycle.shutdown();
  await sleep(10);
  expect(socket.closed).toBe(false);
  await done;
  await until("it is cut", () => socket.closed);
});

test("a client that stops reading is cut by the grace", async () => {
  const served = await serve(false, (_, response) => response.end(Buffer.alloc(32 * 2 ** 20)), {
    maxConnectionAgeMs: 10,
    maxConnectionAgeGraceMs: 100,
  });
  const { socket } = await connectPlain(served.port);
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await until("the server forgot it", () => served.lifecycle.snapshot().totals.closed === 1);
  expect(served.lifecycle.snapshot().connections).toEqual([]);
});

test("connections above maxConnections are closed before they are read, and room is made by those that go", async () => {
  const served = await serve(false, (_, response) => response.end("done"), { maxConnections: 2 });
  const [first] = [await connectPlain(served.port), await connectPlain(served.port)];
  await until("two connections", () => served.lifecycle.snapshot().connections.length === 2);
  const third = await connectPlain(served.port);
  await until("it is closed", () => third.socket.closed);
  expect(served.lifecycle.snapshot().totals).toMatchObject({ opened: 2, refused: 1 });
  expect(served.accepted).toBe(2);
  first!.socket.destroy();
  await until("there is room", () => served.lifecycle.snapshot().connections.length === 1);
  expect(await served.get()).toBe("done");
  served.lifecycle.update({ maxConnections: 1 });
  expect(served.lifecycle.snapshot().connections).toHaveLength(2);
  const { port } = served.server.address() as AddressInfo;
  const fourth = await connectPlain(port);
  await until("it is closed", () => fourth.socket.closed);
});
