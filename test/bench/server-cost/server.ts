import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createLifecycle, type Lifecycle, type ManageableServer } from "@evenkeel/server";
import { cert, key } from "../../../packages/server/test-helpers/certificate.ts";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { jobOfProgram, runProgram, tell } from "../program.ts";
import { createAnswer } from "../server/answer.ts";
import { allOn } from "./cases.ts";
import type { AskUsage, CostServerJob } from "./messages.ts";

// One server, with a lifecycle or without, that tells what its process has used when it is asked.
await runProgram(async () => {
  const job = jobOfProgram<CostServerJob>();
  const lifecycle = lifecycleOf(job);
  const server = createServer(job, lifecycle);
  lifecycle?.manage(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.on("message", ({ collect }: AskUsage) => {
    if (collect) for (let time = 0; time < 3; time++) globalThis.gc?.();
    server.getConnections((_, connections) => {
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed, external } = process.memoryUsage();
      tell({ kind: "usage", cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed + external, connections });
    });
  });
  tell({ kind: "ready", port: (server.address() as AddressInfo).port });
});

function lifecycleOf({ variant }: CostServerJob): Lifecycle | undefined {
  if (variant === "bare") return undefined;
  return createLifecycle(variant === "managed" ? {} : allOn);
}

function createServer({ server, variant }: CostServerJob, lifecycle: Lifecycle | undefined): ManageableServer {
  switch (server) {
    case "h2c":
      return createHttp2Server({}, createGrpcHandler());
    case "tls":
      return createSecureServer({ cert, key }, createGrpcHandler());
    case "http1":
      return createHttpServer({ keepAliveTimeout: 60_000 }, createPlainHandler());
    case "h2c-connect":
      return createHttp2Server(
        {},
        connectNodeAdapter({
          routes: (router) => router.service(DemoService, { charge: ({ payload }) => ({ pod: "pod-1", payload }) }),
          interceptors: lifecycle !== undefined && variant === "all-on-interceptor" ? [lifecycle.interceptor] : [],
        }),
      );
  }
}

/** Answers with bytes of gRPC, whatever it is asked. */
function createGrpcHandler(): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  const { body } = createAnswer("small", "grpc");
  return (request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/grpc+proto" });
      response.addTrailers({ "grpc-status": "0" });
      response.end(body);
    });
  };
}

/** Answers with bytes of Connect. */
function createPlainHandler(): (request: IncomingMessage, response: ServerResponse) => void {
  const { body } = createAnswer("small", "connect");
  return (request, response) => {
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/proto", "content-length": body.length });
      response.end(body);
    });
  };
}
