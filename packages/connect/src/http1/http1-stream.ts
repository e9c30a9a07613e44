import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import {
  type Clock,
  type HeaderList,
  messageOf,
  StatusCode,
  StatusError,
  type Stream,
  type StreamEnd,
  type StreamListener,
  type Timer,
} from "@evenkeel/core";
import { connectEvent, setReferenced } from "@evenkeel/http2";
import { requestError } from "./errors.ts";

/** What a stream asks of its connection. */
export interface Http1StreamContext {
  readonly label: string;
  readonly clock: Clock;
  /** For a socket that the request has to wait for. */
  readonly connectTimeoutMs: number;
  /** No connection could be made for it. Returns what its owner is to hear. */
  refused(error: Error): StatusError;
  /** It ends, and does not count any more; `answered` if its response is whole. */
  ended(stream: Http1Stream, answered: boolean): void;
}

/** One request and its response. */
export class Http1Stream implements Stream {
  /** See `RequestHead.background`. */
  readonly isBackground: boolean;
  readonly #request: ClientRequest;
  readonly #listener: StreamListener;
  readonly #context: Http1StreamContext;
  #response: IncomingMessage | undefined;
  /** Of the socket: none yet, one that connects, one that can send; or one that was over when it was assigned. */
  #socket: "awaited" | "connecting" | "connected" | "lost" = "awaited";
  #connectTimer: Timer | undefined;
  #giveBack: (() => void) | undefined;
  /** The head was handed to node, which sends it once the socket is connected. */
  #begun = false;
  #paused = false;
  #cancelled: Error | undefined;
  /** The first thing seen of a failure. */
  #error: Error | undefined;
  #over = false;

  /** The request must be new, in this turn; it may be ended. */
  constructor(request: ClientRequest, listener: StreamListener, context: Http1StreamContext, isBackground: boolean) {
    this.isBackground = isBackground;
    this.#request = request;
    this.#listener = listener;
    this.#context = context;
    this.#begun = request.writableEnded;
    request.on("socket", (socket) => {
      if (isBackground) this.#unreference(socket);
      const event = connectEvent(socket);
      if (event === undefined) {
        this.#socket = socket.writable ? "connected" : "lost";
        return;
      }
      this.#socket = "connecting";
      socket.once(event, () => {
        this.#socket = "connected";
        this.#connectTimer?.cancel();
      });
      if (!this.#over) this.#limitConnecting();
    });
    request.on("response", (response) => this.#onResponse(response));
    request.on("drain", () => {
      if (!this.#isDeaf) listener.drained();
    });
    request.on("upgrade", (_response, socket) => {
      socket.on("error", () => {}).destroy();
      this.#error ??= new StatusError(StatusCode.internal, `${context.label}: the server switched protocols (101)`);
      this.#break();
    });
    request.on("error", (error) => {
      this.#error ??= error;
      // a response has an end of its own, perhaps a good one
      if (this.#response === undefined) this.#break();
    });
    request.on("close", () => {
      if (this.#response === undefined) this.#break();
    });
    // a body that is whole in this turn goes with its length, and in the same packet
    if (!this.#begun) process.nextTick(() => this.#begin(() => request.flushHeaders()));
  }

  write(chunk: Uint8Array): boolean {
    if (!this.#isWritable) return true;
    let takesMore = true;
    this.#send(() => {
      takesMore = this.#request.write(chunk);
    });
    return takesMore;
  }

  end(chunk?: Uint8Array): void {
    if (this.#isWritable) this.#send(() => this.#request.end(chunk));
  }

  pause(): void {
    this.#paused = true;
    this.#response?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#response?.resume();
  }

  cancel(reason: Error): void {
    if (this.#isDeaf) return;
    this.#cancelled = reason;
    this.#request.destroy();
    process.nextTick(() => this.#break());
  }

  /** Ends it with its connection. Returns whether it was sent. */
  destroy(reason: Error): boolean {
    this.#cancelled ??= reason;
    const wasSent = !this.#over && this.#isSent;
    this.#break();
    return wasSent;
  }

  get #isDeaf(): boolean {
    return this.#over || this.#cancelled !== undefined;
  }

  get #isWritable(): boolean {
    return !this.#isDeaf && !this.#request.writableEnded && !this.#request.destroyed;
  }

  get #isSent(): boolean {
    return this.#socket === "connected" && this.#begun;
  }

  #begin(flush: () => void): void {
    if (!this.#begun && this.#isWritable) this.#send(flush);
  }

  #send(action: () => void): void {
    this.#begun = true;
    try {
      action();
    } catch (error) {
      // node looks at how some headers go together only when it sends them
      const message = `malformed request headers: ${messageOf(error)}`;
      this.#error ??= new StatusError(StatusCode.internal, message, { cause: error });
      this.#request.destroy();
      process.nextTick(() => this.#break());
    }
  }

  #unreference(socket: Socket): void {
    setReferenced(socket, false);
    // node may hand it straight to another request
    this.#giveBack = () => setReferenced(socket, true);
  }

  #limitConnecting(): void {
    const { clock, connectTimeoutMs } = this.#context;
    this.#connectTimer = clock.setTimeout(() => {
      this.#error ??= new Error(`not connected after ${connectTimeoutMs} ms`);
      this.#break();
    }, connectTimeoutMs);
  }

  #onResponse(response: IncomingMessage): void {
    this.#response = response;
    response.on("error", (error) => {
      this.#error ??= error;
    });
    if (this.#isDeaf) return;
    if (this.#paused) response.pause();
    response.on("data", (chunk: Uint8Array) => {
      if (!this.#isDeaf) this.#listener.data(chunk);
    });
    response.on("end", () => {
      if (this.#isDeaf || !response.complete) return;
      // nobody is left to read the rest of the request
      if (!this.#request.writableFinished) this.#request.destroy();
      if (response.rawTrailers.length > 0) this.#listener.trailers(toHeaderList(response.rawTrailers));
      this.#finish({ kind: "complete" });
    });
    response.on("close", () => this.#break());
    this.#listener.headers(response.statusCode ?? 0, toHeaderList(response.rawHeaders));
  }

  #break(): void {
    if (this.#over) return;
    this.#request.destroy();
    const fate = this.#isSent ? "ambiguous" : "unsent";
    this.#finish({ kind: "broken", fate, errorCode: undefined, error: this.#cancelled ?? this.#seen() });
  }

  #seen(): Error {
    const { label } = this.#context;
    if (this.#error instanceof StatusError) return this.#error;
    if (this.#isSent) return requestError(label, this.#error);
    if (this.#socket === "lost" || this.#socket === "connected") {
      const text = `${label}: the connection closed before the request was sent`;
      return new StatusError(StatusCode.unavailable, text, { cause: this.#error });
    }
    return this.#context.refused(this.#error ?? new Error("no connection was made"));
  }

  #finish(end: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#connectTimer?.cancel();
    this.#giveBack?.();
    this.#context.ended(this, end.kind === "complete");
    this.#listener.closed(end);
  }
}

function toHeaderList(raw: readonly string[]): HeaderList {
  const list: (readonly [string, string])[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    list.push([raw[index]?.toLowerCase() ?? "", raw[index + 1] ?? ""]);
  }
  return list;
}
