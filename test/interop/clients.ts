import { type Client, createClient } from "@connectrpc/connect";
import {
  createConnectTransport as createStockConnectTransport,
  createGrpcTransport as createStockGrpcTransport,
  createGrpcWebTransport as createStockGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  type TransportOptions,
} from "@evenkeel/connect";
import { cert } from "../../packages/server/test-helpers/certificate.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { host } from "./children.ts";
import type { Use } from "./suite.ts";

export type Protocol = "gRPC" | "Connect" | "gRPC-Web";

/** Whose client makes the RPCs; connect-node's is there to compare with. */
export type ClientKind = "evenkeel" | "connect-node";

export function isClientKind(text: string): text is ClientKind {
  return text === "evenkeel" || text === "connect-node";
}

export type DemoClient = Client<typeof DemoService>;

/** Where a client connects to, and how. */
export interface Route {
  readonly client: ClientKind;
  readonly protocol: Protocol;
  readonly tls: boolean;
  readonly port: number;
}

/** What only our client has. */
export type ClientOptions = Pick<TransportOptions, "resolver" | "waitForReady">;

/** A client that ends with its check. */
export function connect(route: Route, use: Use, options: ClientOptions = {}): DemoClient {
  const baseUrl = `${route.tls ? "https" : "http"}://${host}:${route.port}`;
  const nodeOptions = { ca: cert };
  if (route.client === "connect-node") {
    const sessionManager = new Http2SessionManager(baseUrl, undefined, nodeOptions);
    use(() => sessionManager.abort());
    const create = {
      gRPC: createStockGrpcTransport,
      Connect: createStockConnectTransport,
      "gRPC-Web": createStockGrpcWebTransport,
    }[route.protocol];
    return createClient(DemoService, create({ baseUrl, httpVersion: "2", sessionManager }));
  }
  const create = { gRPC: createGrpcTransport, Connect: createConnectTransport, "gRPC-Web": createGrpcWebTransport };
  const transport = create[route.protocol]({ baseUrl, ...options, ...(route.tls ? { nodeOptions } : {}) });
  use(() => transport.destroy());
  return createClient(DemoService, transport);
}
