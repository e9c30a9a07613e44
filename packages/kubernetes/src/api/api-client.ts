import { once } from "node:events";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { messageOf } from "@evenkeel/core";
import { apiErrorOf } from "./api-error.ts";
import type { ApiServer } from "./api-server.ts";
import { malformed } from "./checks.ts";
import { LineReader } from "./line-reader.ts";

/** A peer that is gone without a word is found out by TCP itself, after this long without traffic (milliseconds). */
const tcpKeepAliveMs = 15_000;

/**
 * How long TCP may take to connect, in milliseconds: two SYNs, and while it does, node keeps the process alive, though
 * the socket is unref'd.
 */
const connectLimitMs = 3_000;

/** Of the body of an error, and of what is listed: of a Service with a hundred thousand endpoints, say. */
const maxErrorLength = 2 ** 20;
const maxBodyLength = 2 ** 27;

/** GET requests to one API server, over connections that do not keep the process alive. */
export class ApiClient {
  readonly #server: ApiServer;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  constructor(server: ApiServer) {
    this.#server = server;
  }

  /** The object at `path`. Rejects with an `ApiError` for what the server refuses, with an `Error` for what breaks. */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.#request(path, signal);
    const text = await textOf(response, maxBodyLength);
    if (text.length > maxBodyLength) throw malformed(`answer of at most ${maxBodyLength} characters`, text);
    return jsonOf(text);
  }

  /**
   * Follows the objects that are written to the response at `path`, one a line, as many at a time as arrive at a time.
   * Resolves when the server ends the response in good order; rejects as `get`.
   */
  async follow(path: string, listener: FollowListener, signal: AbortSignal): Promise<void> {
    const response = await this.#request(path, signal);
    const reader = new LineReader();
    listener.opened();
    for await (const text of partsOf(response)) {
      const lines = reader.push(text);
      if (lines.length > 0) listener.objects(lines.map(jsonOf));
    }
  }

  /** Ends the connections, and what is under way on them. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #request(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, options } = await orAborted(this.#server.access(), signal);
    const isSecure = url.protocol === "https:";
    const request = (isSecure ? httpsRequest : httpRequest)(`${url.origin}${url.pathname.replace(/\/$/, "")}${path}`, {
      agent: isSecure ? this.#https : this.#http,
      ...options,
      headers: { accept: "application/json", "user-agent": "evenkeel", ...options.headers },
      signal,
    });
    request.on("socket", (socket) => {
      socket.unref();
      socket.setKeepAlive(true, tcpKeepAliveMs);
      if (socket.connecting) limitConnect(socket);
    });
    request.on("error", () => {}); // those after the response are the response's, too
    request.end();
    const [response] = (await once(request, "response", { signal }).catch((cause: unknown) => {
      throw new Error(`the API server at ${url.origin} cannot be reached: ${messageOf(cause)}`, { cause });
    })) as [IncomingMessage];
    if (response.statusCode === 200) return response;
    if (response.statusCode === 401) this.#server.refused?.();
    const [, token] = /^Bearer (.+)/.exec(String(request.getHeader("authorization"))) ?? [];
    const text = await textOf(response, maxErrorLength);
    const body = token === undefined ? text : text.replaceAll(token, "…"); // errors are logged
    throw apiErrorOf(parsed(body) ?? { message: body.trim() }, response.statusCode, response.headers["retry-after"]);
  }
}

/** Hears of a response that is followed. */
export interface FollowListener {
  /** The server has accepted the request. */
  opened(): void;
  objects(objects: readonly unknown[]): void;
}

function limitConnect(socket: Socket): void {
  const giveUp = (): void => {
    if (socket.connecting) socket.destroy(new Error(`no connection within ${connectLimitMs} ms`));
  };
  // it may be our own event loop that was blocked: what arrived is read before immediates run
  const timer = setTimeout(() => setImmediate(giveUp), connectLimitMs).unref();
  const stop = (): void => clearTimeout(timer);
  socket.once("connect", stop).once("close", stop);
}

/** For work that knows no signal. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    const result = await Promise.race([work, aborted]);
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The body as it arrives. Throws an `Error` when it ends too soon. */
async function* partsOf(response: IncomingMessage): AsyncGenerator<string> {
  try {
    yield* response.setEncoding("utf8");
  } catch (cause) {
    throw new Error(`the API server broke off its response: ${messageOf(cause)}`, { cause });
  }
}

/** The whole body, or of a longer one so much that it is longer than `maxLength`. */
async function textOf(response: IncomingMessage, maxLength: number): Promise<string> {
  let text = "";
  for await (const part of partsOf(response)) {
    text += part;
    if (text.length > maxLength) break;
  }
  return text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed("JSON", text, { cause });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
