import { manageGrpcServer } from "@evenkeel/grpc-js";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { definitionOf } from "./definition.ts";
import { demoHandlers } from "./service.ts";

// One pod with a server of grpc-js; its environment is that of ../pod.ts.
const { POD_NAME = "pod", POD_IP = "127.0.0.1", PORT = "8080", READINESS_DELAY_MS = "300" } = process.env;

const server = new Server();
server.addService(definitionOf(DemoService), demoHandlers(POD_NAME));
const lifecycle = manageGrpcServer(server, { podName: POD_NAME, readinessDelayMs: Number(READINESS_DELAY_MS) });
lifecycle.shutdownOnSignals();
server.bindAsync(`${POD_IP}:${PORT}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
