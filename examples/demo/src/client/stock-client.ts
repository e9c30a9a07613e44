import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  type GrpcTransportOptions,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { Cluster } from "@evenkeel/testing";
import type { DemoOptions } from "../options.ts";
import { type Attempt, type ConnectProtocol, type DemoClient, sender } from "./client.ts";

type StockOptions = Pick<GrpcTransportOptions, "baseUrl" | "sessionManager">;

const createTransport: Readonly<Record<ConnectProtocol, (options: StockOptions) => Transport>> = {
  connect: (options) => createConnectTransport({ ...options, httpVersion: "2" }),
  grpc: createGrpcTransport,
  "grpc-web": (options) => createGrpcWebTransport({ ...options, httpVersion: "2" }),
};

/** The stock client behind a virtual IP, which chooses a pod for each of its connections. */
export async function createStockClient(
  protocol: ConnectProtocol,
  options: DemoOptions,
  cluster: Cluster,
): Promise<DemoClient> {
  const virtualIp = await cluster.startVirtualIp();
  const sessionManager = new Http2SessionManager(virtualIp.url);
  const transport = createTransport[protocol]({ baseUrl: virtualIp.url, sessionManager });
  const send = sender(transport, options.method, options.delayMs);
  const attempts: Attempt[] = [];
  return {
    async send() {
      const at = performance.now();
      const pod = await send();
      attempts.push({ pod, at });
      return pod;
    },
    attempts,
    connections: () => new Map([...virtualIp.connections()].map(([pod, open]) => [pod, { state: "ready", open }])),
    inFlightAtLoss: 0, // it does not tell
    async close() {
      sessionManager.abort();
    },
  };
}
