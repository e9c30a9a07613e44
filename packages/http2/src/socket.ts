import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** What a socket emits once it can send, with TLS after its peer was verified; none if it is connected. */
export function connectEvent(socket: Duplex): "connect" | "secureConnect" | undefined {
  if (socket instanceof TLSSocket) return socket.alpnProtocol === null ? "secureConnect" : undefined; // by the handshake
  return "connecting" in socket && socket.connecting === true ? "connect" : undefined;
}

/** A socket keeps the process alive only while a stream is open on it. */
export function setReferenced(socket: Duplex, referenced: boolean): void {
  if (!("ref" in socket) || !("unref" in socket)) return;
  const method = referenced ? socket.ref : socket.unref;
  if (typeof method === "function") method.call(socket);
}

/** Writes all of it with one system call where the socket can. Returns whether it takes more. */
export function writeAll(socket: Duplex, chunks: readonly Uint8Array[]): boolean {
  if (!socket.writable) return false;
  if (chunks.length === 1) return socket.write(chunks[0]);
  socket.cork();
  let hasRoom = true;
  for (const chunk of chunks) hasRoom = socket.write(chunk);
  socket.uncork();
  return hasRoom;
}
