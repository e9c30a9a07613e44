import { connect, type Socket } from "node:net";
import { hosts, listenOnHosts } from "../endpoints.ts";
import type { ProxyJob } from "../messages.ts";
import { jobOfProgram, runProgram, tell } from "../program.ts";
import { delayed } from "./delayed.ts";

// Stands before each endpoint and holds back what it sends: the way to the endpoint takes no time, the way back all of
// what the round trip is to take more. Bandwidth is not limited.
await runProgram(async () => {
  const { to, addedMs } = jobOfProgram<ProxyJob>();
  const before = (port: number) =>
    listenOnHosts((client, index) => forward(client, hosts[index] as string, port, addedMs));
  tell({ kind: "ready", ports: { grpc: await before(to.grpc), connect: await before(to.connect) } });
});

function forward(client: Socket, host: string, port: number, delayMs: number): void {
  const server = connect({ host, port, noDelay: true });
  server.on("error", () => {}); // "close" follows
  client.on("data", (chunk) => server.write(chunk));
  server.on("data", delayed(client, delayMs));
  client.on("close", () => server.destroy());
  server.on("close", () => client.destroy());
}
