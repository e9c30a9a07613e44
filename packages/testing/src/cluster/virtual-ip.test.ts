import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { createEndpoint, type Endpoint } from "@evenkeel/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { seededRandom } from "../seeded-random.ts";
import { VirtualIp, type VirtualIpOptions } from "./virtual-ip.ts";

interface Backend {
  readonly endpoint: Endpoint;
  readonly server: Server;
}

/** A server that hands out its connections, and the endpoint where it listens. */
async function backend(key: string): Promise<Backend> {
  const server = createServer({ allowHalfOpen: true });
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    sockets.add(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as { port: number };
  return { server, endpoint: createEndpoint({ key, host: "127.0.0.1", port }) };
}

async function start(endpoints: () => readonly Endpoint[], options?: VirtualIpOptions): Promise<VirtualIp> {
  const vip = await VirtualIp.start(endpoints, options);
  onTestFinished(() => vip.close());
  return vip;
}

function dial(vip: VirtualIp): Socket {
  const client = connect({ port: vip.port, host: vip.host, allowHalfOpen: true });
  onTestFinished(() => void client.destroy());
  return client;
}

async function accept({ server }: Backend): Promise<Socket> {
  const [socket] = await once(server, "connection");
  return socket;
}

/** The code of the error that the socket ends with. */
const failure = async (socket: Socket): Promise<unknown> => {
  const [error] = await once(socket, "error").catch((reason) => [reason]);
  return error.code;
};

describe("VirtualIp", () => {
  test("passes bytes and half closes both ways", async () => {
    const pod = await backend("a");
    const vip = await start(() => [pod.endpoint]);
    expect(vip.url).toBe(`http://127.0.0.1:${vip.port}`);
    expect(vip.address).toBe(`127.0.0.1:${vip.port}`);
    const accepted = accept(pod);
    const client = dial(vip);
    client.end("question");
    const server = await accepted;
    let question = "";
    server.on("data", (chunk) => {
      question += chunk;
    });
    await once(server, "end"); // not text(server): before Node 24 it destroys the socket, which is still to answer
    expect(question).toBe("question");
    server.write("answer, after the end of the question");
    server.end();
    expect(await text(client)).toBe("answer, after the end of the question");
    await expect.poll(() => vip.connections().size).toBe(0);
  });

  test("chooses a pod for each connection, from those that are ready then", async () => {
    const a = await backend("a");
    const b = await backend("b");
    const c = { ...a.endpoint, key: "c", ready: false, terminating: true };
    let endpoints: Endpoint[] = [a.endpoint, b.endpoint, c];
    const vip = await start(() => endpoints, { random: seededRandom(1) });
    for (let count = 0; count < 20; count++) await once(dial(vip), "connect");
    await expect.poll(() => [...vip.connections().values()].reduce((sum, each) => sum + each, 0)).toBe(20);
    expect([...vip.connections().keys()].sort()).toEqual(["a", "b"]);
    const before = vip.connections().get("a");
    endpoints = [b.endpoint];
    await once(dial(vip), "connect");
    await expect.poll(() => vip.connections().get("b")).toBe(21 - before!);
    expect(vip.connections().get("a")).toBe(before);
  });

  test("falls back to pods that terminate, and resets where there is none", async () => {
    const pod = await backend("a");
    let endpoints: Endpoint[] = [{ ...pod.endpoint, ready: false, terminating: true }];
    const vip = await start(() => endpoints);
    const accepted = accept(pod);
    dial(vip);
    await accepted;
    endpoints = [];
    expect(await failure(dial(vip))).toBe("ECONNRESET");
  });

  test("passes a reset on, in both directions", async () => {
    const pod = await backend("a");
    const vip = await start(() => [pod.endpoint]);
    for (const breaker of ["client", "pod"] as const) {
      const accepted = accept(pod);
      const client = dial(vip);
      const server = await accepted;
      client.write("x");
      await once(server, "data");
      const [broken, other] = breaker === "client" ? [client, server] : [server, client];
      const failed = failure(other);
      broken.resetAndDestroy();
      expect(await failed).toBe("ECONNRESET");
    }
  });

  test("resets a connection to a pod that does not listen", async () => {
    const vip = await start(() => [createEndpoint({ host: "127.0.0.1", port: 1 })]);
    expect(await failure(dial(vip))).toBe("ECONNRESET");
  });

  test("close resets what is open", async () => {
    const pod = await backend("a");
    const vip = await start(() => [pod.endpoint]);
    const accepted = accept(pod);
    const client = dial(vip);
    const server = await accepted;
    const failed = Promise.all([failure(client), failure(server)]);
    await vip.close();
    await vip.close();
    expect(await failed).toEqual(["ECONNRESET", "ECONNRESET"]);
  });
});
