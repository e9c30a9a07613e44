import type { SessionOptions } from "node:http2";
import { connect as connectTcp, isIP, type NetConnectOpts } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, checkServerIdentity, connect as connectTls, TLSSocket } from "node:tls";
import { type Address, type Endpoint, messageOf, type Target } from "@evenkeel/core";
import { explainDialError } from "./dial-error.ts";
import { connectEvent } from "./socket.ts";
import { unavailable } from "./unavailable.ts";

/** How sockets are made. */
export interface DialOptions {
  /** Decides between TLS and plain text; certificates must be for its host, whatever address is dialled. */
  readonly target: Target;
  /** Asked for anew at every dial. */
  readonly nodeOptions: () => NodeOptions;
}

/** What is handed to `tls.connect`, or a socket of one's own. */
export interface NodeOptions extends ConnectionOptions {
  /**
   * Makes the socket, for UNIX sockets or proxies; with TLS it is to be a TLS socket that offers `h2`. Called for
   * every dial, with the address that the resolver told; typed so that what was written for node:http2 fits.
   */
  readonly createConnection?: ((authority: URL, address: Address & SessionOptions) => Duplex) | undefined;
}

export interface DialListener {
  /** The socket is connected; with TLS its peer is verified and speaks `h2`. */
  connected(socket: Duplex): void;
  failed(error: Error): void;
  /** Bytes of the connected socket. Their buffer is used again as soon as this returns. */
  read(chunk: Buffer): void;
}

/**
 * What all of our sockets are read into, one after the other: to allocate for every read costs more than to copy what
 * is kept.
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** Tries the addresses of an endpoint in their order. Returns the function that gives up; nothing is told then. */
export function dial(endpoint: Endpoint, options: DialOptions, listener: DialListener): () => void {
  let socket: Duplex | undefined;
  let over = false;
  const tryAddress = (index: number, errors: readonly Error[]): void => {
    const address = endpoint.addresses[index];
    if (address === undefined) {
      over = true;
      const message = errors.map(messageOf).join("; ");
      listener.failed(unavailable(message, errors.at(-1)));
      return;
    }
    const failed = (error: Error): void => {
      if (over) return;
      socket?.destroy();
      tryAddress(index + 1, [...errors, new Error(explainDialError(error, address, options.target), { cause: error })]);
    };
    let opened: Duplex;
    try {
      opened = open(address, options, listener);
    } catch (error) {
      process.nextTick(failed, error instanceof Error ? error : new Error(String(error)));
      return;
    }
    socket = opened;
    onceConnected(opened, options.target, (error) => {
      if (over) return;
      if (error !== undefined) return failed(error);
      over = true;
      listener.connected(opened);
      // not before: what waits in it would be read before our preface was written
      if (eventSockets.has(opened)) opened.on("data", (chunk: Buffer) => listener.read(chunk));
    });
  };
  tryAddress(0, []);
  return () => {
    over = true;
    socket?.destroy();
  };
}

/** Sockets that are not read into `readBuffer`, as their user made them: each carries one connection. */
const eventSockets = new WeakSet<Duplex>();

function open(address: Address, { target, nodeOptions }: DialOptions, listener: DialListener): Duplex {
  const { createConnection, ...tlsOptions } = nodeOptions();
  if (createConnection !== undefined) {
    const socket: Partial<Duplex> | undefined = createConnection(new URL(target.text), address);
    if (typeof socket?.pipe !== "function") {
      throw new TypeError(`nodeOptions.createConnection: expected it to return a Duplex, got ${String(socket)}`);
    }
    if (eventSockets.has(socket as Duplex)) {
      throw new TypeError("nodeOptions.createConnection: expected a new socket, got one that is in use");
    }
    eventSockets.add(socket as Duplex);
    return socket as Duplex;
  }
  const { host, port } = address;
  const onread = {
    buffer: readBuffer,
    callback(bytes: number, buffer: Uint8Array): boolean {
      listener.read((buffer as Buffer).subarray(0, bytes));
      return true;
    },
  };
  if (target.scheme === "http") return connectTcp({ host, port, noDelay: true, onread }).unref();
  const tls: ConnectionOptions & Pick<NetConnectOpts, "onread"> = {
    // RFC 6066, section 3, allows no addresses
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(target.host, certificate),
    ...tlsOptions,
    host,
    port,
    ALPNProtocols: ["h2"],
    onread,
  };
  const socket = connectTls(tls);
  // over a stream of the user's, TLS takes no notice of `onread`
  if (tls.socket !== undefined) eventSockets.add(socket);
  socket.setNoDelay(true);
  return socket.unref();
}

function onceConnected(socket: Duplex, target: Target, done: (error?: Error) => void): void {
  const event = connectEvent(socket);
  let finished = false;
  const finish = (error?: Error): void => {
    if (finished) return;
    finished = true;
    if (event !== undefined) socket.off(event, onConnect);
    socket.off("close", onClose);
    // the error listener stays: an error may follow after the socket was given up
    done(error);
  };
  const onConnect = (): void => finish(target.scheme === "https" ? alpnError(socket) : undefined);
  const onClose = (): void => finish(new Error("the peer closed the connection"));
  socket.on("error", finish);
  socket.on("close", onClose);
  if (event === undefined) process.nextTick(onConnect);
  else socket.on(event, onConnect);
}

function alpnError(socket: Duplex): Error | undefined {
  if (!(socket instanceof TLSSocket) || socket.alpnProtocol === "h2") return undefined;
  return new Error('the peer did not choose "h2" by ALPN: it does not speak HTTP/2 over TLS on this port');
}
