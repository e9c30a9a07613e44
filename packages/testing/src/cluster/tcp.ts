import { once } from "node:events";
import type { Server } from "node:net";

/** Resolves when `server` listens; rejects with what keeps it from it. Port 0 is a free one. */
export async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  await once(server, "listening");
}

/** Stops listening at once. Resolves when the last connection is gone, too. */
export async function close(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}

/** Where a server listens. */
export function addressOf(server: Server): { readonly address: string; readonly port: number } {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on TCP");
  return address;
}
