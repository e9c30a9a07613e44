import { once } from "node:events";
import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createHealthRegistry, healthService } from "@evenkeel/health";
import { createLifecycle, serveProbes } from "@evenkeel/server";
import { serverSettings } from "./environment.ts";
import { DemoService } from "./gen/demo/v1/demo_pb.ts";
import { log } from "./log.ts";
import { routes } from "./service.ts";

// One pod of the server. What it reads from the environment is in the README.

const { podName, podIp, port, probePort, readinessDelayMs, drainTimeoutMs } = serverSettings(process.env);
/** All addresses, where none is given: `kubectl port-forward` comes to the pod's loopback. */
const address = podIp ? { host: podIp } : {};

const lifecycle = createLifecycle({
  podName,
  readinessDelayMs,
  drainTimeoutMs,
  // for clients that do not balance, and proxies: they spread anew over the pods that there are by then
  maxConnectionAgeMs: 300_000,
  maxConnectionAgeGraceMs: 30_000,
});
const health = createHealthRegistry({ lifecycle, statuses: { [DemoService.typeName]: "serving" } });
const serveDemo = routes(podName);
const server = createServer(
  connectNodeAdapter({
    routes(router) {
      healthService(health)(router);
      serveDemo(router);
    },
    interceptors: [lifecycle.interceptor],
  }),
);
lifecycle.manage(server);
lifecycle.shutdownOnSignals();
lifecycle.onPhase((phase) => log(phase, { pod: podName, rpcsInFlight: lifecycle.snapshot().rpcsInFlight }));

server.listen({ port, ...address });
await once(server, "listening");
// only now: a pod that answers its probes can take RPCs. On a port of their own, since the kubelet speaks HTTP/1.1, and
// since this one goes on answering when the server listens no more
const probes = await serveProbes(lifecycle, { port: probePort, ...address });
log("serving", { pod: podName, port, probePort: probes.port });
