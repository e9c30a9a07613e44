import { writeSync } from "node:fs";
import type { Duplex } from "node:stream";
import type { Injection, Wire } from "./wire.ts";

/** What we use of libuv's stream handle below a plain net.Socket. It is private to node: all of it may be missing. */
interface StreamHandle {
  readonly fd?: unknown;
  readonly writeQueueSize?: unknown;
  readonly bytesWritten?: unknown;
}

type Write = (fd: number, bytes: Uint8Array, offset: number) => number;

/** A frame is 17 bytes: the kernel takes all or none of it, but for a full buffer that is about to be read. */
const partialWriteMs = 20;

/**
 * Injects by writing to the descriptor of a plain-text (h2c) connection.
 *
 * node's session hands whole frames to the stream below it, and what the kernel does not take at once waits in the
 * stream's write queue: an empty queue is a frame boundary. `socket.write()` is no way: it interferes with the
 * session's own write request and aborts the process.
 */
export function createDescriptorWire(socket: Duplex, write: Write = writeSync): Wire {
  return {
    get unsentBytes(): number {
      const size = handleOf(socket)?.writeQueueSize;
      return typeof size === "number" ? size : 0;
    },
    inject(frame: Uint8Array): Injection {
      if (socket.destroyed) return { kind: "busy" };
      const handle = handleOf(socket);
      if (typeof handle?.fd !== "number" || handle.fd < 0) return unsupported("its socket has no file descriptor");
      if (typeof handle.writeQueueSize !== "number" || typeof handle.bytesWritten !== "number") {
        return unsupported("this version of node does not tell the length of a socket's write queue");
      }
      const settingsSent = handle.bytesWritten > 0;
      if (!settingsSent || handle.writeQueueSize > 0) return { kind: "busy" };
      return writeAll(socket, handle.fd, frame, write);
    },
  };
}

function handleOf(socket: Duplex): StreamHandle | null | undefined {
  return (socket as { readonly _handle?: StreamHandle | null })._handle;
}

/** A frame once begun must be completed before the session writes again, thus in this turn of the event loop. */
function writeAll(socket: Duplex, fd: number, frame: Uint8Array, write: Write): Injection {
  const giveUpAt = performance.now() + partialWriteMs;
  let written = 0;
  while (written < frame.length) {
    try {
      written += write(fd, frame, written);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (written > 0) {
        if (code === "EAGAIN" && performance.now() < giveUpAt) continue;
        // half a frame is on the wire: nothing the session writes would be understood any more
        socket.destroy();
        return { kind: "busy" };
      }
      // a broken connection is about to be closed by node
      if (code === "EAGAIN" || code === "EPIPE" || code === "ECONNRESET") return { kind: "busy" };
      return unsupported(`writing to its socket failed: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { kind: "written" };
}

function unsupported(reason: string): Injection {
  return { kind: "unsupported", reason };
}
