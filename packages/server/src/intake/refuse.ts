import type { Duplex } from "node:stream";

/** Closes a socket that no listener has seen. @returns what `emit` shall return */
export function refuse(socket: Duplex): boolean {
  socket.on("error", () => {}); // of a client that is gone already
  socket.destroy();
  return true;
}
