// A DemoService of @connectrpc/connect-node on node:http2.
import { once } from "node:events";
import { createSecureServer, createServer, type Http2SecureServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ChargeResponseSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { maxAgeMs, maxStreams, readCertificate, run } from "./run.ts";
import { type CallContext, Failure, type Service } from "./service.ts";

await run("connect-node", async (name, port, service) => {
  const handler = connectNodeAdapter({ routes: (router) => addRoutes(router, service) });
  const server: Http2Server | Http2SecureServer =
    name === "tls"
      ? createSecureServer(readCertificate(), handler)
      : createServer(name === "limited" ? { settings: { maxConcurrentStreams: maxStreams } } : {}, handler);
  if (name === "retiring") {
    server.on("session", (session) => {
      const timer = setTimeout(() => session.close(), maxAgeMs);
      session.on("close", () => clearTimeout(timer));
    });
  }
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
});

function addRoutes(router: ConnectRouter, service: Service): void {
  router.service(DemoService, {
    ping: (request, context) => translated(service.ping(request, toContext(context))),
    async charge(request, context) {
      const response = await translated(service.charge(request, toContext(context)));
      context.responseHeader.set("x-header", "h");
      context.responseTrailer.set("x-trailer", "t");
      return response;
    },
    count: (request, context) => translatedEach(service.count(request, toContext(context))),
    collect: (requests, context) => translated(service.collect(requests, toContext(context))),
    chat: (requests, context) => translatedEach(service.chat(requests, toContext(context))),
  });
}

function toContext(context: HandlerContext): CallContext {
  return { signal: context.signal, hasDeadline: context.timeoutMs() !== undefined };
}

function translated<T>(response: Promise<T>): Promise<T> {
  return response.catch((error: unknown) => {
    throw toConnectError(error);
  });
}

async function* translatedEach<T>(responses: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* responses;
  } catch (error) {
    throw toConnectError(error);
  }
}

function toConnectError(error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const details = [{ desc: ChargeResponseSchema, value: error.detail }];
  return new ConnectError(error.message, error.code, { "x-reason": error.reason }, details);
}
