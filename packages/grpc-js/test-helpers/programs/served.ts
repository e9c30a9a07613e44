import { Server, ServerCredentials } from "@grpc/grpc-js";
import { manageGrpcServer } from "../../src/serving/manage-grpc-server.ts";

// argv: the options as JSON
const server = new Server();
const lifecycle = manageGrpcServer(server, JSON.parse(process.argv[2] ?? "{}"));
lifecycle.onPhase((phase) => console.log(phase));
lifecycle.onShutdown(() => console.log("hook"));
lifecycle.shutdownOnSignals();
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, port) => console.log(port));
