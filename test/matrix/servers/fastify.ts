import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { lifecyclePlugin } from "@evenkeel/server/fastify";
import { fastify } from "fastify";
import { retireInOnePhase } from "./one-phase.ts";
import { type Content, connectOptions, type PodServer } from "./pod-server.ts";
import { twoPhaseLifecycle } from "./two-phase.ts";

export async function openH2c(content: Content): Promise<PodServer> {
  const app = fastify({ http2: true });
  const lifecycle = twoPhaseLifecycle(content);
  if (lifecycle === undefined) retireInOnePhase(app.server, content);
  else await app.register(lifecyclePlugin, { lifecycle });
  await app.register(fastifyConnectPlugin, connectOptions(content, lifecycle));
  return {
    async listen(host, port) {
      await app.listen({ host, port });
    },
  };
}

export async function openH1(content: Content): Promise<PodServer> {
  const app = fastify();
  const lifecycle = twoPhaseLifecycle(content);
  if (lifecycle === undefined) retireInOnePhase(app.server, content);
  else await app.register(lifecyclePlugin, { lifecycle });
  await app.register(fastifyConnectPlugin, connectOptions(content, lifecycle));
  return {
    async listen(host, port) {
      await app.listen({ host, port });
    },
  };
}
