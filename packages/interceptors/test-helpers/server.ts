import { once } from "node:events";
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Interceptor, ServiceImpl, Transport } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as ours from "@evenkeel/connect";
import { onTestFinished } from "vitest";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";

export type Implementation = Partial<ServiceImpl<typeof DemoService>>;

/** Serves the demo service on 127.0.0.1 until the test ends. @returns its URL. */
export async function serve(
  implementation: Implementation,
  interceptors: Interceptor[] = [],
  httpVersion: "1.1" | "2" = "2",
): Promise<string> {
  const handler = node.connectNodeAdapter({
    routes: (router) => router.service(DemoService, implementation),
    interceptors,
  });
  const server = httpVersion === "2" ? createHttp2Server(handler) : createHttp1Server(handler);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Makes a transport that is closed when the test ends. */
export type Connect = (baseUrl: string, interceptors?: Interceptor[]) => Transport;

function stock(create: (options: node.GrpcTransportOptions & { readonly httpVersion: "2" }) => Transport): Connect {
  return (baseUrl, interceptors = []) => {
    const sessionManager = new node.Http2SessionManager(baseUrl);
    onTestFinished(() => sessionManager.abort());
    return create({ baseUrl, interceptors, httpVersion: "2", sessionManager });
  };
}

function balanced(create: (options: ours.ConnectTransportOptions) => ours.BalancedTransport): Connect {
  return (baseUrl, interceptors = []) => {
    const transport = create({ baseUrl, interceptors });
    onTestFinished(() => transport.destroy());
    return transport;
  };
}

/** Every protocol, with connect-node's transports and ours. */
export const protocols: readonly (readonly [name: string, connect: Connect])[] = [
  ["connect-node Connect", stock(node.createConnectTransport)],
  ["connect-node gRPC", stock(node.createGrpcTransport)],
  ["connect-node gRPC-Web", stock(node.createGrpcWebTransport)],
  ["evenkeel Connect", balanced(ours.createConnectTransport)],
  ["evenkeel gRPC", balanced(ours.createGrpcTransport)],
  ["evenkeel gRPC-Web", balanced(ours.createGrpcWebTransport)],
];

/** Connect over HTTP/1.1, where a cancellation is the end of a socket. */
export const http1: Connect = (baseUrl, interceptors = []) => {
  const transport = ours.createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1" });
  onTestFinished(() => transport.destroy());
  return transport;
};
