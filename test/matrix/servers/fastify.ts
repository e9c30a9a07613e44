import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { lifecyclePlugin } from "@evenkeel/server/fastify";
import { fastify } from "fastify";
import { type Content, connectOptions, type PodServer } from "./pod-server.ts";

export async function openH2c(content: Content): Promise<PodServer> {
  const app = fastify({ http2: true });
  if (content.lifecycle !== undefined) await app.register(lifecyclePlugin, { lifecycle: content.lifecycle });
  await app.register(fastifyConnectPlugin, connectOptions(content));
  return {
    server: app.server,
    async listen(host, port) {
      await app.listen({ host, port });
    },
  };
}

export async function openH1(content: Content): Promise<PodServer> {
  const app = fastify();
  if (content.lifecycle !== undefined) await app.register(lifecyclePlugin, { lifecycle: content.lifecycle });
  await app.register(fastifyConnectPlugin, connectOptions(content));
  return {
    server: app.server,
    async listen(host, port) {
      await app.listen({ host, port });
    },
  };
}
