import { type ClientRequestArgs, Agent as HttpAgent, request as httpRequest } from "node:http";
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, checkServerIdentity } from "node:tls";
import type { Address, Target } from "@evenkeel/core";
import { connectEvent, setReferenced } from "@evenkeel/http2";
import type { Http1NodeOptions } from "./node-options.ts";
import type { Route } from "./route.ts";

/**
 * Idle sockets close after so many milliseconds, or a second before the server's `Keep-Alive: timeout`, if that is
 * earlier: a request on a socket that the server closes at the same time is lost. As node's global agent has it.
 */
const idleTimeoutMs = 5_000;

/** Between a socket's last byte and the first TCP keep-alive probe, which finds a peer that is gone. As node has it. */
const keepAliveMsecs = 1_000;

type Made = (error: Error | null, socket?: Duplex) => void;

/** Requests through a keep-alive agent that serves this address alone. */
export function ownAgent(address: Address, target: Target, nodeOptions: Http1NodeOptions): Route {
  const { agent: given, createConnection, maxHeaderSize, insecureHTTPParser, httpValidation, ...own } = nodeOptions;
  const isTls = target.scheme === "https";
  const options = {
    keepAlive: given !== false,
    keepAliveMsecs,
    timeout: idleTimeoutMs,
    ...(isTls ? tlsOptions(target) : {}),
    ...own,
  } as AgentOptions; // the certificate that node hands to checkServerIdentity has more than these types say
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options);
  const connect = createConnection ?? agent.createConnection.bind(agent);
  const first = new FirstSocket();
  let closed = false;

  const make = (socketOptions: ClientRequestArgs, made: Made): void => {
    let over = false;
    const done = (error: Error | null, socket?: Duplex): void => {
      if (over) return; // node also calls back for "connect"
      over = true;
      const fault = error ?? faultOf(socket);
      if (fault === undefined) {
        // node leaves it without one between two requests
        socket?.on("error", () => {});
        // node calls it, though a stream may be no socket
        if (socket !== undefined && !("setTimeout" in socket)) Object.assign(socket, { setTimeout: () => socket });
        if (closed) socket?.destroy();
      }
      made(fault ?? null, socket);
    };
    try {
      const socket = connect(socketOptions, done);
      if (socket) done(null, socket);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  };

  agent.createConnection = (socketOptions: ClientRequestArgs, made?: unknown) => {
    const socket = first.take();
    if (socket === undefined) make(socketOptions, made as Made);
    return socket;
  };
  // node names sockets by all of their options, certificates included; they are all alike here
  agent.getName = () => "endpoint";
  const keepSocketAlive: (socket: Duplex) => unknown = agent.keepSocketAlive.bind(agent);
  // what is no net.Socket has not the methods that node calls
  agent.keepSocketAlive = (socket) => !closed && socket instanceof Socket && keepSocketAlive(socket);

  const { host, port } = address;
  const fixed = { agent, host, port, maxHeaderSize, insecureHTTPParser, httpValidation };
  return {
    address,
    get maxStreams() {
      return agent.maxSockets;
    },
    open(done) {
      // as the agent asks for its sockets
      const asked = { noDelay: true, keepAliveInitialDelay: keepAliveMsecs, ...options, host, port };
      make({ ...asked, path: nodeOptions.socketPath ?? null } as ClientRequestArgs, (error, socket) => {
        if (error !== null || socket === undefined) process.nextTick(done, error);
        else first.hold(socket, done);
      });
    },
    request: (asked) => (isTls ? httpsRequest : httpRequest)({ ...fixed, ...asked }),
    close() {
      closed = true;
      first.take()?.destroy();
      agent.destroy();
    },
  };
}

/** The socket that was dialled, until the first request takes it. */
class FirstSocket {
  #socket: Duplex | undefined;
  #release: () => void = () => {};

  hold(socket: Duplex, connected: (error?: Error) => void): void {
    this.#socket = socket;
    setReferenced(socket, false);
    let seen: Error | undefined;
    const event = connectEvent(socket);
    const drop = (): void => {
      socket.destroy();
    };
    let isConnected = false;
    const onConnect = (): void => {
      isConnected = true;
      connected();
    };
    const onError = (error: Error): void => {
      seen = error;
    };
    const onClose = (): void => {
      this.take();
      // that an idle socket closes is nothing
      if (!isConnected || seen !== undefined) connected(seen ?? new Error("the peer closed the connection"));
    };
    if (event !== undefined) socket.once(event, onConnect);
    else process.nextTick(onConnect);
    socket.on("error", onError);
    socket.on("close", onClose);
    // nothing was asked: it would be read as the answer to the first request
    socket.on("data", drop);
    if (socket instanceof Socket) socket.setTimeout(idleTimeoutMs, drop);
    this.#release = () => {
      socket.off("data", drop).off("timeout", drop).off("close", onClose).off("error", onError);
    };
  }

  take(): Duplex | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#release();
    this.#release = () => {};
    if (socket === undefined) return undefined;
    if (!socket.writable) {
      socket.destroy();
      return undefined;
    }
    setReferenced(socket, true);
    return socket;
  }
}

function tlsOptions(target: Target): ConnectionOptions {
  return {
    // RFC 6066, section 3, allows no addresses
    servername: isIP(target.host) === 0 ? target.host : "",
    checkServerIdentity: (_host, certificate) => checkServerIdentity(target.host, certificate),
    ALPNProtocols: ["http/1.1"],
  };
}

function faultOf(socket: Partial<Duplex> | undefined): TypeError | undefined {
  if (typeof socket?.pipe === "function") return undefined;
  return new TypeError(`nodeOptions.createConnection: expected it to return a Duplex, got ${String(socket)}`);
}
