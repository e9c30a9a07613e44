import { createServer, type Http2Server } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { createGrpcTransport as createBalancedTransport } from "@evenkeel/connect";
import { staticEndpoints } from "@evenkeel/core";
import { createLifecycle, type Lifecycle } from "@evenkeel/server";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { listen } from "../../packages/server/test-helpers/servers.ts";
import { guardStockClients } from "../../packages/server/test-helpers/stock-client.ts";
import { ChargeRequestSchema, ChargeResponseSchema, DemoService } from "../gen/demo/v1/demo_pb.ts";

interface ManagedServer {
  readonly address: string;
  readonly lifecycle: Lifecycle;
  /** Connections that it accepted. */
  accepted: number;
}

async function startManagedServer(): Promise<ManagedServer> {
  const routes = (router: ConnectRouter) =>
    router.service(DemoService, {
      async charge({ work }) {
        await sleep(work?.delayMs ?? 0);
        return { pod: "pod-1" };
      },
    });
  const lifecycle = createLifecycle({ podName: "pod-1" });
  const server: Http2Server = createServer(connectNodeAdapter({ routes, interceptors: [lifecycle.interceptor] }));
  lifecycle.manage(server);
  const port = await listen(server, onTestFinished);
  const managed: ManagedServer = { address: `127.0.0.1:${port}`, lifecycle, accepted: 0 };
  server.on("connection", () => {
    managed.accepted++;
  });
  onTestFinished(() => lifecycle.shutdown({ force: true }));
  return managed;
}

/** Makes one `Charge`; answers with the pod that did it. */
type Charge = (delayMs: number) => Promise<string>;

const clients: readonly { readonly name: string; readonly connect: (address: string) => Charge }[] = [
  {
    name: "grpc-js",
    connect(address) {
      const client = new grpc.Client(address, grpc.credentials.createInsecure());
      onTestFinished(() => client.close());
      return (delayMs) =>
        new Promise((resolve, reject) => {
          client.makeUnaryRequest(
            "/demo.v1.DemoService/Charge",
            (request) => Buffer.from(toBinary(ChargeRequestSchema, request)),
            (bytes) => fromBinary(ChargeResponseSchema, bytes),
            create(ChargeRequestSchema, { work: { delayMs } }),
            (error, response) => (error === null && response !== undefined ? resolve(response.pod) : reject(error)),
          );
        });
    },
  },
  ...[createGrpcTransport, createConnectTransport].map((createTransport) => ({
    name: `connect-node ${createTransport.name}`,
    connect(address: string): Charge {
      const baseUrl = `http://${address}`;
      const sessionManager = new Http2SessionManager(baseUrl);
      onTestFinished(() => sessionManager.abort());
      const client = createClient(DemoService, createTransport({ baseUrl, httpVersion: "2", sessionManager }));
      return async (delayMs) => (await client.charge({ work: { delayMs } })).pod;
    },
  })),
  {
    name: "evenkeel",
    connect(address) {
      const transport = createBalancedTransport({ baseUrl: `http://${address}`, resolver: staticEndpoints([address]) });
      onTestFinished(() => transport.destroy());
      const client = createClient(DemoService, transport);
      return async (delayMs) => (await client.charge({ work: { delayMs } })).pod;
    },
  },
];

describe.each(clients)("a $name client on a quiet connection loses nothing", ({ connect }) => {
  it("when the connection is retired again and again", async () => {
    onTestFinished(guardStockClients());
    const server = await startManagedServer();
    const charge = connect(server.address);
    for (let round = 0; round < 10; round++) {
      expect(await charge(0)).toBe("pod-1");
      const running = charge(60);
      // every other time the request is still on its way to the server, which a single GOAWAY would lose
      if (round % 2 === 0) await sleep(20);
      server.lifecycle.retireConnections();
      expect(await running).toBe("pod-1");
      expect(await charge(0)).toBe("pod-1");
    }
    expect(server.accepted).toBeGreaterThanOrEqual(10);
  });
});
