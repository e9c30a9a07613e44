import { setTimeout as sleep } from "node:timers/promises";
import { manageGrpcServer } from "@evenkeel/grpc-js";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type OrderServiceServer, OrderServiceService } from "./gen/orders/v1/orders.ts";

// One pod.
const { POD_NAME: pod = "pod", POD_IP = "127.0.0.1", PORT = "8080", READINESS_DELAY_MS = "5000" } = process.env;

const orders: OrderServiceServer = {
  async getOrder({ request: { id } }, respond) {
    await sleep(10);
    respond(null, { id, pod });
  },
};

const server = new Server();
server.addService(OrderServiceService, orders);
const lifecycle = manageGrpcServer(server, { readinessDelayMs: Number(READINESS_DELAY_MS) });
lifecycle.shutdownOnSignals();
server.bindAsync(`${POD_IP}:${PORT}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
