import { listenOnHosts } from "../endpoints.ts";
import type { ServerJob } from "../messages.ts";
import { jobOfProgram, runProgram, tell } from "../program.ts";
import { createAnswer } from "./answer.ts";
import { Connection } from "./connection.ts";

// Five endpoints that answer every RPC with the same message. The port alone decides the protocol: request headers are
// never decoded, which would cost more than the answer.
await runProgram(async () => {
  const { answer } = jobOfProgram<ServerJob>();
  const grpc = createAnswer(answer, "grpc");
  const connect = createAnswer(answer, "connect");
  const ports = {
    grpc: await listenOnHosts((socket) => new Connection(socket, grpc)),
    connect: await listenOnHosts((socket) => new Connection(socket, connect)),
  };
  tell({ kind: "ready", ports });
});
