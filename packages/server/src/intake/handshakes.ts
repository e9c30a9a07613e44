import type { Socket } from "node:net";
import type { Intake } from "./intake.ts";

export interface Handshakes {
  begin(socket: Socket): void;
  end(socket: Socket): void;
}

/** Matches TCP sockets with the TLS sockets made of them: node shows no link but their equal addresses. */
export function createHandshakes(intake: Pick<Intake, "onHandshake">): Handshakes {
  const ends = new Map<string, () => void>();
  const keyOf = (socket: Socket): string =>
    [socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort].join();
  return {
    begin(socket) {
      if (socket.remotePort === undefined) return; // a UNIX socket, or gone again
      const key = keyOf(socket);
      const end = intake.onHandshake("tls", socket);
      ends.set(key, end);
      socket.once("close", () => {
        if (ends.get(key) === end) ends.delete(key);
      });
    },
    end(socket) {
      const key = keyOf(socket);
      ends.get(key)?.();
      ends.delete(key);
    },
  };
}
