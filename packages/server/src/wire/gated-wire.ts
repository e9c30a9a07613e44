import type { ServerHttp2Session } from "node:http2";
import { TLSSocket } from "node:tls";
import { FrameTracker } from "./frame-tracker.ts";
import type { Injection, Wire } from "./wire.ts";

/** A TLS socket whose writes pass through us. */
export interface GatedSocket {
  /** To be given to node:http2 in place of the socket; it passes for the socket in all else. */
  readonly stream: TLSSocket;
  readonly wire: Wire;
  /** Makes the TLS socket's properties reachable on the session's and its requests' `socket`; call it in "session". */
  expose(session: ServerHttp2Session): void;
}

/**
 * Injects into a TLS connection by standing between the session and the TLS socket.
 *
 * A session takes the native handle of the socket it is given and writes past JavaScript. Given a stream without a
 * handle it wraps it and writes through `stream.write()`: there we can see the frames and add our own, in order with
 * the session's. The price is throughput, since every byte now passes through JavaScript.
 */
export function createGatedSocket(socket: TLSSocket): GatedSocket {
  const tracker = new FrameTracker();
  const write = (chunk: Uint8Array, callback: (error?: Error | null) => void): boolean => {
    tracker.push(chunk);
    return socket.write(chunk, callback);
  };
  // what the session does itself on a socket with a handle
  socket.setNoDelay(true);
  socket.disableRenegotiation();

  return {
    stream: new Proxy(socket, {
      get(target, property) {
        if (property === "_handle") return undefined;
        if (property === "write") return write;
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, property, value) => Reflect.set(target, property, value, target),
    }),
    wire: {
      get unsentBytes() {
        return socket.writableLength + queuedBelow(socket);
      },
      inject(frame: Uint8Array): Injection {
        if (!tracker.atBoundary || !socket.writable) return { kind: "busy" };
        socket.write(frame);
        return { kind: "written" };
      },
    },
    expose(session) {
      const wrapper = wrapperOf(session);
      // when the client has half-closed, the TLS socket ends and closes the wrapper; a wrapper that ended by itself
      // would fail an assertion, and so the process, at the session's next write
      Reflect.set(wrapper, "allowHalfOpen", true);
      for (const name of exposed) {
        Object.defineProperty(wrapper, name, {
          configurable: true,
          get() {
            const value: unknown = Reflect.get(socket, name, socket);
            return typeof value === "function" ? value.bind(socket) : value;
          },
        });
      }
      Object.defineProperty(session, "encrypted", { configurable: true, value: true });
      Object.defineProperty(session, "alpnProtocol", { configurable: true, value: socket.alpnProtocol });
    },
  };
}

const exposed: readonly string[] = [
  ...["encrypted", "authorized", "authorizationError", "alpnProtocol", "servername"],
  ...["remoteAddress", "remotePort", "remoteFamily", "localAddress", "localPort", "localFamily", "address"],
  ...["bytesRead", "bytesWritten", "destroySoon"],
  // getPeerCertificate, getCipher, exportKeyingMaterial and so on, as many as this version of node has
  ...Object.getOwnPropertyNames(TLSSocket.prototype).filter((name) => !name.startsWith("_") && name !== "constructor"),
];

/** What we use of the native handles below a TLS socket. They are private to node: all of it may be missing. */
interface StreamHandle {
  readonly writeQueueSize?: unknown;
  /** Of the TLS handle: the TCP handle below it. */
  readonly _parent?: StreamHandle | null;
}

/** Bytes that wait encrypted for the TCP handle, and in the TCP handle for the kernel. */
function queuedBelow(socket: TLSSocket): number {
  let queued = 0;
  let handle = (socket as { readonly _handle?: StreamHandle | null })._handle;
  while (handle) {
    if (typeof handle.writeQueueSize === "number") queued += handle.writeQueueSize;
    handle = handle._parent;
  }
  return queued;
}

/**
 * The stream node puts between the session and ours. `session.socket` is a proxy that leads to it: it binds the methods
 * it hands out, so that a method that returns `this` gives the stream itself.
 */
function wrapperOf(session: ServerHttp2Session): object {
  const self = Symbol("self");
  const proxy = session.socket as unknown as Record<symbol, () => object>;
  proxy[self] = function (this: object) {
    return this;
  };
  const wrapper = proxy[self]();
  Reflect.deleteProperty(wrapper, self);
  return wrapper;
}
