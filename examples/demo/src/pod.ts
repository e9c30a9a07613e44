import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createLifecycle } from "@evenkeel/server";
import { demoRoutes } from "./service.ts";

// One pod. Its environment is the downward API of Kubernetes in small: POD_NAME, POD_IP and PORT.
const { POD_NAME = "pod", POD_IP = "127.0.0.1", PORT = "8080", READINESS_DELAY_MS = "300" } = process.env;

const lifecycle = createLifecycle({ podName: POD_NAME, readinessDelayMs: Number(READINESS_DELAY_MS) });
const server = createServer(
  connectNodeAdapter({ routes: demoRoutes(POD_NAME), interceptors: [lifecycle.interceptor] }),
);
lifecycle.manage(server);
lifecycle.shutdownOnSignals();
server.listen(Number(PORT), POD_IP);
