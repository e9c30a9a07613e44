import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { cert, key } from "../../../packages/server/test-helpers/certificate.ts";
import { type Content, connectOptions, type PodServer } from "./pod-server.ts";

export function openH2c(content: Content): PodServer {
  return podServer(createHttp2Server(connectNodeAdapter(connectOptions(content))), content);
}

export function openTls(content: Content): PodServer {
  return podServer(createSecureServer({ cert, key }, connectNodeAdapter(connectOptions(content))), content);
}

export function openH1(content: Content): PodServer {
  return podServer(createHttpServer(connectNodeAdapter(connectOptions(content))), content);
}

function podServer(server: PodServer["server"], { lifecycle }: Content): PodServer {
  lifecycle?.manage(server);
  return {
    server,
    async listen(host, port) {
      server.listen(port, host);
      await once(server, "listening");
    },
  };
}
