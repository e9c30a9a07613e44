import "reflect-metadata";
import { manageGrpcServer } from "@evenkeel/grpc-js";
import { NestFactory } from "@nestjs/core";
import { type MicroserviceOptions, ServerGrpc } from "@nestjs/microservices";
import { OrdersModule } from "./orders.module.ts";
import { ordersPackage, ordersProto } from "./orders.ts";

// One pod.
const { POD_IP = "127.0.0.1", PORT = "8080", READINESS_DELAY_MS = "5000" } = process.env;

const server = new ServerGrpc({ url: `${POD_IP}:${PORT}`, package: ordersPackage, protoPath: ordersProto });
const app = await NestFactory.createMicroservice<MicroserviceOptions>(OrdersModule, { strategy: server });
const lifecycle = manageGrpcServer(server, { readinessDelayMs: Number(READINESS_DELAY_MS) });
lifecycle.onShutdown(() => app.close());
lifecycle.shutdownOnSignals();
await app.listen();
