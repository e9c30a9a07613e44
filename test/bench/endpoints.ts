import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";

/** The five endpoints. All of 127.0.0.0/8 can be bound on Linux. */
export const hosts: readonly string[] = [1, 2, 3, 4, 5].map((last) => `127.77.0.${last}`);

/**
 * Listens on one free port of all hosts; resolves to that port. `onConnection` is told the index of the host.
 *
 * Rejects with an `Error` when there is no such port, or no such address.
 */
export async function listenOnHosts(onConnection: (socket: Socket, host: number) => void): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const servers = hosts.map((_, index) =>
      createServer({ noDelay: true }, (socket) => {
        socket.on("error", () => {}); // "close" follows
        onConnection(socket, index);
      }),
    );
    try {
      let port = 0;
      for (const [index, server] of servers.entries()) port = await listen(server, hosts[index] as string, port);
      return port;
    } catch (error) {
      for (const server of servers) server.close();
      if (attempt === 10) throw error;
    }
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`no port: ${address}`);
  return address.port;
}
