import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Address } from "@evenkeel/core";
import { onTestFinished } from "vitest";

/** A connection that ends with the test; its errors are for whoever listens. */
export function dial({ host, port }: Address): Socket {
  const socket = connect(port, host);
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Says `question` on a connection, and returns what comes back first. */
export async function ask(socket: Socket, question: string): Promise<string> {
  socket.write(question);
  const [answer] = await once(socket, "data");
  return String(answer);
}
