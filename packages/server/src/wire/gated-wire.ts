import type { ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { BatchWriter } from "./batch-writer.ts";
import { FrameTracker } from "./frame-tracker.ts";
import { freeChunk } from "./slabs.ts";
import { exposeTlsProperties } from "./tls-properties.ts";
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
 * the session's. The price is processor time, since every byte now passes through JavaScript; `BatchWriter` and
 * `freeChunk()` keep it low.
 *
 * There is no safe way past the session. Whatever is written to a TLS handle that a session has taken aborts the
 * process: while the session's own write is under way `TLSWrap::DoWrite` checks that there is no other, and at any other
 * time `Http2Session::OnStreamAfterWrite` checks that the write that has ended is the session's.
 */
export function createGatedSocket(socket: TLSSocket): GatedSocket {
  const tracker = new FrameTracker();
  const { write } = socket;
  const writer = new BatchWriter({ write: (bytes, callback) => write.call(socket, bytes, undefined, callback) });
  // what the session does itself on a socket with a handle
  socket.setNoDelay(true);
  socket.disableRenegotiation();

  const stream = createStandIn(socket, tracker, writer);

  return {
    stream,
    wire: {
      get unsentBytes() {
        return writer.bytesLeft + socket.writableLength + queuedBelow(socket);
      },
      inject(frame: Uint8Array): Injection {
        if (!tracker.atBoundary || tracker.sawGoaway || writer.ended || !socket.writable) return { kind: "busy" };
        writer.write(frame.slice());
        return { kind: "written" };
      },
    },
    expose(session) {
      const wrapper = wrapperOf(session);
      // when the client has half-closed, the TLS socket ends and closes the wrapper; a wrapper that ended by itself
      // would fail an assertion, and so the process, at the session's next write
      Reflect.set(wrapper, "allowHalfOpen", true);
      exposeTlsProperties(stream, session, wrapper);
      freeWhatIsRead(socket);
    },
  };
}

function createStandIn(socket: TLSSocket, tracker: FrameTracker, writer: BatchWriter): TLSSocket {
  const { end, destroySoon } = socket;
  const ours = new Map<string | symbol, unknown>();
  ours.set("cork", () => writer.cork());
  ours.set("uncork", () => writer.uncork());
  ours.set("write", (chunk: Uint8Array, callback?: (error?: Error | null) => void): boolean => {
    tracker.push(chunk);
    writer.write(chunk, callback);
    return true;
  });
  ours.set("end", (...args: unknown[]): TLSSocket => {
    writer.end();
    Reflect.apply(end, socket, args);
    return standIn;
  });
  ours.set("destroySoon", () => {
    writer.end();
    destroySoon.call(socket);
  });
  // the client has half-closed, and node is about to do the same
  socket.once("end", () => {
    if (!socket.allowHalfOpen) writer.end();
  });
  const standIn: TLSSocket = new Proxy(socket, {
    get(target, property) {
      const value: unknown = ours.get(property);
      if (value !== undefined) return value;
      if (property === "_handle") return undefined;
      const its: unknown = Reflect.get(target, property, target);
      return typeof its === "function" ? its.bind(target) : its;
    },
    set(target, property, value) {
      ours.delete(property);
      return Reflect.set(target, property, value, target);
    },
  });
  return standIn;
}

/**
 * The session has copied what it was given when the wrapper's listener returns, the first of all. Another listener may
 * keep it.
 */
function freeWhatIsRead(socket: TLSSocket): void {
  socket.on("data", (chunk: Uint8Array) => {
    if (socket.listenerCount("data") === 2) freeChunk(chunk);
  });
}

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
