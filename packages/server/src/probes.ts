import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Lifecycle } from "./lifecycle.ts";

/** What probes ask of a lifecycle. */
export type ProbedLifecycle = Pick<Lifecycle, "ready" | "phase" | "onPhase">;

export interface ProbeOptions {
  /** Path of the readiness probe. Default: "/readyz". */
  readonly readyPath?: string;
  /** Path of the liveness probe. Default: "/livez". */
  readonly livePath?: string;
  /**
   * What the program itself knows of its readiness, such as that it still starts. If it throws, that is not ready, and
   * the answer names the error. Default: always ready.
   */
  readonly isReady?: () => boolean;
}

export interface ProbeHandlerOptions<Request, Response> extends ProbeOptions {
  /** Gets the requests for other paths. Default: they are answered with 404. */
  readonly next?: (request: Request, response: Response) => void;
}

export interface ServeProbesOptions extends ProbeOptions {
  /** Port to listen on; 0 for any that is free. */
  readonly port: number;
  /** Address to listen on. Default: all, since the probes of Kubernetes come from the node's address. */
  readonly host?: string;
}

/** A server of its own for probes. */
export interface ProbeServer {
  /** The port it listens on. */
  readonly port: number;
  /** Closes it and its connections. It does so itself when the lifecycle's phase becomes `closed`. */
  close(): Promise<void>;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What is used of a request of node:http, node:http2 or Express. */
export interface ProbeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** What is used of a response of node:http, node:http2 or Express. */
export interface ProbeResponse {
  writeHead(status: number, headers: Record<string, string | number>): unknown;
  end(): unknown;
  end(body: string): unknown;
}

/** A request listener. Given a third argument, as Express does, it leaves the requests for other paths to that. */
export type ProbeHandler<Request, Response> = (request: Request, response: Response, next?: () => void) => void;

/**
 * Answers the probes of Kubernetes, or of a load balancer, on a server of node:http, node:https, node:http2 or Express:
 * readiness with 200 until `shutdown()` is called, if `isReady()` agrees, else with 503; liveness with 200 for as long
 * as the process answers. Liveness does not end with the drain: Kubernetes would kill the pod, and the RPCs that it is
 * about to finish. GET and HEAD; a query string is ignored.
 *
 * @throws TypeError or RangeError that names the option and what it allows.
 */
export function probeHandler<Request extends ProbeRequest, Response extends ProbeResponse>(
  lifecycle: ProbedLifecycle,
  options: ProbeHandlerOptions<Request, Response> = {},
): ProbeHandler<Request, Response> {
  const probes = resolveProbes(lifecycle, options);
  const { next: fallback } = options;
  if (fallback !== undefined && typeof fallback !== "function") {
    throw new TypeError(`next must be a function: ${typeof fallback}`);
  }
  return (request, response, next) => {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const probe = probes.get(path);
    if (probe !== undefined) respond(request, response, probe);
    else if (next !== undefined) next();
    else if (fallback !== undefined) fallback(request, response);
    else respondEmpty(response, 404);
  };
}

/**
 * Answers probes on a port of its own, over HTTP/1.1, throughout the drain and until the lifecycle's phase is `closed`.
 * It never keeps the process alive.
 *
 * @returns resolves when it listens; rejects with node's error when it cannot, with a TypeError or RangeError for an
 * option that is not allowed, and when the lifecycle is closed already.
 */
export async function serveProbes(lifecycle: ProbedLifecycle, options: ServeProbesOptions): Promise<ProbeServer> {
  const { port, host } = options;
  if (typeof port !== "number") throw new TypeError(`port must be a number from 0 to 65535: ${typeof port}`);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`port must be from 0 to 65535: ${port}`);
  const server = createServer(probeHandler(lifecycle, options));
  server.on("connection", (socket: Socket) => socket.unref());
  server.unref();
  server.listen({ port, ...(host === undefined ? {} : { host }) });
  await once(server, "listening");

  let closing: Promise<unknown> | undefined;
  const close = async (): Promise<void> => {
    if (closing === undefined) {
      stopWatching();
      closing = once(server, "close");
      server.close();
      server.closeAllConnections();
    }
    await closing;
  };
  const stopWatching = lifecycle.onPhase((phase) => {
    if (phase === "closed") void close();
  });
  if (lifecycle.phase === "closed") {
    await close();
    throw new Error("this lifecycle is closed: there is nothing left to probe");
  }
  return { port: (server.address() as AddressInfo).port, close, [Symbol.asyncDispose]: close };
}

/** What a probe answers: a status, and JSON that names the phase. */
export type Probe = () => { readonly status: 200 | 503; readonly body: string };

export const probeHeaders: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-store",
};

/** @returns probes by path. @throws as `probeHandler()` does. */
export function resolveProbes(lifecycle: ProbedLifecycle, options: ProbeOptions): ReadonlyMap<string, Probe> {
  const { readyPath = "/readyz", livePath = "/livez", isReady = () => true } = options;
  checkPath("readyPath", readyPath);
  checkPath("livePath", livePath);
  if (readyPath === livePath) throw new RangeError(`livePath must differ from readyPath: ${livePath}`);
  if (typeof isReady !== "function") throw new TypeError(`isReady must be a function: ${typeof isReady}`);
  const ready: Probe = () => {
    const { phase } = lifecycle;
    try {
      const status = lifecycle.ready && isReady() ? 200 : 503;
      return { status, body: JSON.stringify({ ready: status === 200, phase }) };
    } catch (error) {
      return { status: 503, body: JSON.stringify({ ready: false, phase, error: `isReady() threw: ${error}` }) };
    }
  };
  const live: Probe = () => ({ status: 200, body: JSON.stringify({ live: true, phase: lifecycle.phase }) });
  return new Map([
    [readyPath, ready],
    [livePath, live],
  ]);
}

function checkPath(name: string, path: unknown): void {
  if (typeof path !== "string") throw new TypeError(`${name} must be a string: ${typeof path}`);
  if (!/^\/[^?#\s]*$/.test(path)) throw new RangeError(`${name} must begin with "/" and have no "?": ${path}`);
}

function respond(request: ProbeRequest, response: ProbeResponse, probe: Probe): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    respondEmpty(response, 405, { allow: "GET, HEAD" });
    return;
  }
  const { status, body } = probe();
  response.writeHead(status, { ...probeHeaders, "content-length": Buffer.byteLength(body) });
  if (request.method === "HEAD") response.end();
  else response.end(body);
}

function respondEmpty(response: ProbeResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { ...headers, "content-length": 0 });
  response.end();
}
