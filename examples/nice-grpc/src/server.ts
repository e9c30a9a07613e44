import { setTimeout as sleep } from "node:timers/promises";
import { manageGrpcServer } from "@evenkeel/grpc-js";
import { createServer, type ServiceImplementation } from "nice-grpc";
import { OrderServiceDefinition } from "./gen/orders/v1/orders.ts";

// One pod.
const { POD_NAME: pod = "pod", POD_IP = "127.0.0.1", PORT = "8080", READINESS_DELAY_MS = "5000" } = process.env;

const orders: ServiceImplementation<OrderServiceDefinition> = {
  async getOrder({ id }) {
    await sleep(10);
    return { id, pod };
  },
};

const server = createServer();
server.add(OrderServiceDefinition, orders);
const lifecycle = manageGrpcServer(server, { readinessDelayMs: Number(READINESS_DELAY_MS) });
lifecycle.shutdownOnSignals();
await server.listen(`${POD_IP}:${PORT}`);
