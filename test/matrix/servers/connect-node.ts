import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
} from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { cert, key } from "../../../packages/server/test-helpers/certificate.ts";
import { retireInOnePhase } from "./one-phase.ts";
import { type Content, connectOptions, type PodServer } from "./pod-server.ts";
import { twoPhaseLifecycle } from "./two-phase.ts";

type Handler = ReturnType<typeof connectNodeAdapter>;

export function openH2c(content: Content): PodServer {
  return podServer(content, (handler) => createHttp2Server(handler));
}

export function openTls(content: Content): PodServer {
  return podServer(content, (handler) => createSecureServer({ cert, key }, handler));
}

export function openH1(content: Content): PodServer {
  return podServer(content, (handler) => createHttpServer(handler));
}

function podServer(
  content: Content,
  createServer: (handler: Handler) => HttpServer | Http2Server | Http2SecureServer,
): PodServer {
  const lifecycle = twoPhaseLifecycle(content);
  const server = createServer(connectNodeAdapter(connectOptions(content, lifecycle)));
  if (lifecycle === undefined) retireInOnePhase(server, content);
  else lifecycle.manage(server);
  return {
    async listen(host, port) {
      server.listen(port, host);
      await once(server, "listening");
    },
  };
}
