import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createLifecycle, type Lifecycle, type LifecycleOptions } from "@evenkeel/server";
import { onTestFinished } from "vitest";
import { createHealthRegistry } from "../src/server/create-registry.ts";
import type { HealthRegistry } from "../src/server/registry.ts";
import { healthService } from "../src/server/service.ts";

export interface HealthServer {
  readonly port: number;
  readonly lifecycle: Lifecycle;
  readonly registry: HealthRegistry;
  /** RPCs that have not ended. */
  readonly rpcs: number;
}

/** A connect-node server of h2c with a real lifecycle and the health service, until the test is over. */
export async function startHealthServer(options: LifecycleOptions = {}): Promise<HealthServer> {
  const lifecycle = createLifecycle({ readinessDelayMs: 0, drainTimeoutMs: 5_000, podName: "pod-1", ...options });
  const registry = createHealthRegistry({ lifecycle });
  const routes = (router: ConnectRouter): void => healthService(registry)(router);
  const server = createServer(connectNodeAdapter({ routes, interceptors: [lifecycle.interceptor] }));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  lifecycle.manage(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    await lifecycle.shutdown({ force: true });
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    lifecycle,
    registry,
    get rpcs() {
      return lifecycle.snapshot().rpcsInFlight;
    },
  };
}
