import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createSecureServer, createServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createConnection, type ListenOptions, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type ConnectRouter, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createGrpcTransport, type TransportOptions } from "@evenkeel/connect";
import { staticEndpoints } from "@evenkeel/core";
import { expect, it, onTestFinished } from "vitest";
import { cert, key } from "../../packages/server/test-helpers/certificate.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";

const routes = (router: ConnectRouter) =>
  router.service(DemoService, { charge: (_request, { requestHeader }) => ({ pod: requestHeader.get("host") ?? "" }) });

async function listen(server: Server, options: ListenOptions): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  server.listen(options);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function startTlsServer(): Promise<number> {
  const server = createSecureServer({ key, cert }, connectNodeAdapter({ routes }));
  return listen(server, { host: "127.0.0.1", port: 0 });
}

function clientOf(options: TransportOptions): Client<typeof DemoService> {
  const transport = createGrpcTransport(options);
  onTestFinished(() => transport.destroy());
  return createClient(DemoService, transport);
}

it("TLS is verified against the host of the baseUrl, whatever address is dialled", async () => {
  const port = await startTlsServer();
  const resolver = staticEndpoints([`127.0.0.1:${port}`]);
  const trusting = { resolver, nodeOptions: { ca: cert } };
  await clientOf({ baseUrl: `https://localhost:${port}`, ...trusting }).charge({});
  await clientOf({ baseUrl: `https://127.0.0.1:${port}`, ...trusting }).charge({});
  const other = clientOf({ baseUrl: `https://orders.test:${port}`, ...trusting }).charge({});
  await expect(other).rejects.toThrow(/\[unavailable\].*orders\.test\. is not in the cert's altnames/);
  const untrusting = clientOf({ baseUrl: `https://localhost:${port}`, resolver }).charge({});
  await expect(untrusting).rejects.toThrow(/\[unavailable\].*self-signed certificate/);
});

it("TLS options are asked for at every dial, so that certificates can rotate", async () => {
  const port = await startTlsServer();
  let dials = 0;
  const transport = createGrpcTransport({
    baseUrl: `https://localhost:${port}`,
    resolver: staticEndpoints([`127.0.0.1:${port}`]),
    nodeOptions: () => ({ ca: ++dials === 1 ? "" : cert }),
  });
  onTestFinished(() => transport.destroy());
  const client = createClient(DemoService, transport);
  await expect(client.charge({})).rejects.toThrow(/unavailable/);
  await expect.poll(() => transport.channel.state, { timeout: 5_000 }).toBe("ready");
  await client.charge({});
  expect(dials).toBe(2);
});

it("a TLS peer without HTTP/2 is named as such", async () => {
  const port = await listen(createHttpsServer({ key, cert }), { host: "127.0.0.1", port: 0 });
  const options = { resolver: staticEndpoints([`127.0.0.1:${port}`]), nodeOptions: { ca: cert } };
  const answer = clientOf({ baseUrl: `https://localhost:${port}`, ...options }).charge({});
  await expect(answer).rejects.toThrow(/\[unavailable\].*(ALPN|no application protocol)/i);
});

it("an h2c client on a TLS port fails with a hint", async () => {
  const port = await startTlsServer();
  const answer = clientOf({ baseUrl: `http://127.0.0.1:${port}` }).charge({});
  await expect(answer).rejects.toThrow(/\[unavailable\].*does it speak HTTP\/1\.1, or TLS, on this port\?/);
});

it("createConnection makes the socket, and baseUrl the authority", async () => {
  const folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "orders.sock");
  await listen(createServer(connectNodeAdapter({ routes })), { path });
  const client = clientOf({
    baseUrl: "http://orders.test:8080",
    resolver: staticEndpoints(["127.0.0.1:1"]),
    nodeOptions: { createConnection: () => createConnection(path) },
  });
  await client.charge({});
});

it("localhost is dialled at both its addresses", async () => {
  const port = await listen(createServer(connectNodeAdapter({ routes })), { host: "127.0.0.1", port: 0 });
  await clientOf({ baseUrl: `http://localhost:${port}` }).charge({});
});
