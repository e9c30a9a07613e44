import type { ServerHttp2Session } from "node:http2";
import { TLSSocket } from "node:tls";

const names: readonly string[] = [
  ...["encrypted", "authorized", "authorizationError", "alpnProtocol", "servername"],
  ...["remoteAddress", "remotePort", "remoteFamily", "localAddress", "localPort", "localFamily", "address"],
  ...["bytesRead", "bytesWritten", "destroySoon"],
  // getPeerCertificate, getCipher, exportKeyingMaterial and so on, as many as this version of node has
  ...Object.getOwnPropertyNames(TLSSocket.prototype).filter((name) => !name.startsWith("_") && name !== "constructor"),
];

const sockets = new WeakMap<object, TLSSocket>();

/** For each prototype of wrappers (node has one) one that shows the TLS socket: to define it anew costs 10 KiB each. */
const prototypes = new WeakMap<object, object>();

/**
 * Makes a TLS socket's properties reachable on its session and on the wrapper that node has put between the two.
 *
 * @param socket hands out methods that are bound to it
 */
export function exposeTlsProperties(socket: TLSSocket, session: ServerHttp2Session, wrapper: object): void {
  sockets.set(wrapper, socket);
  const prototype: object = Object.getPrototypeOf(wrapper);
  let exposing = prototypes.get(prototype);
  if (exposing === undefined) {
    exposing = Object.create(prototype, Object.fromEntries(names.map((name) => [name, propertyOf(name)]))) as object;
    prototypes.set(prototype, exposing);
  }
  Object.setPrototypeOf(wrapper, exposing);
  Object.defineProperty(session, "encrypted", { configurable: true, value: true });
  Object.defineProperty(session, "alpnProtocol", { configurable: true, value: socket.alpnProtocol });
}

function propertyOf(name: string): PropertyDescriptor {
  return {
    configurable: true,
    get(this: object): unknown {
      const socket = sockets.get(this);
      return socket === undefined ? undefined : Reflect.get(socket, name);
    },
  };
}
