import type { ClientRequest } from "node:http";
import {
  type Address,
  type Clock,
  type Connection,
  type ConnectionListener,
  type Endpoint,
  messageOf,
  type RequestHead,
  type StatusError,
  type Stream,
  type StreamListener,
} from "@evenkeel/core";
import { deadStream, ErrorCode, explainDialError, unavailable } from "@evenkeel/http2";
import { type DialOptions, dial } from "./dial.ts";
import { isMalformed } from "./errors.ts";
import { Http1Stream, type Http1StreamContext } from "./http1-stream.ts";
import type { Route } from "./route.ts";

export interface Http1ConnectionOptions extends DialOptions {
  readonly clock: Clock;
  readonly label: string;
  /** For the sockets after the first: that one is its owner's to wait for. */
  readonly connectTimeoutMs: number;
}

/** An endpoint that takes HTTP/1.1 requests: one socket for each that is under way, and some idle ones. */
export class Http1Connection implements Connection {
  endpoint: Endpoint;
  readonly label: string;
  readonly suspect = false;
  readonly #options: Http1ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #giveUpDial: () => void;
  readonly #streams = new Set<Http1Stream>();
  /** Of the streams, those that count for nothing but their socket. */
  #background = 0;
  readonly #streamContext: Http1StreamContext;
  #route: Route | undefined;
  #answered = 0;
  #draining = false;
  #closed = false;
  /** Why it takes no more streams. */
  #end: { readonly reason: Error; readonly orderly: boolean } | undefined;

  constructor(endpoint: Endpoint, options: Http1ConnectionOptions, listener: ConnectionListener) {
    this.endpoint = endpoint;
    this.label = options.label;
    this.#options = options;
    this.#listener = listener;
    this.#streamContext = {
      label: options.label,
      clock: options.clock,
      connectTimeoutMs: options.connectTimeoutMs,
      refused: (error) => this.#refused(error),
      ended: (stream, answered) => this.#streamEnded(stream, answered),
    };
    this.#giveUpDial = dial(endpoint, options, {
      connected: (route) => {
        this.#route = route;
        listener.ready();
      },
      lost: (error) => {
        const text = explainDialError(error, this.#address, options.target);
        if (this.inFlight === 0) this.#finish(unavailable(`${this.label}: ${text}`, error), false);
      },
      failed: (error) => this.#finish(error, false),
    });
  }

  get inFlight(): number {
    return this.#streams.size - this.#background;
  }

  get answered(): number {
    return this.#answered;
  }

  get maxStreams(): number {
    return (this.#route?.maxStreams ?? Number.POSITIVE_INFINITY) - this.#background;
  }

  open(head: RequestHead, listener: StreamListener): Stream {
    const route = this.#route;
    if (route === undefined || this.#draining) {
      const error = unavailable(`${this.label} takes no new streams`, this.#end?.reason);
      process.nextTick(() => listener.closed({ kind: "broken", fate: "unsent", errorCode: undefined, error }));
      return deadStream;
    }
    let request: ClientRequest | undefined;
    try {
      request = route.request({ method: head.method, path: head.path, headers: this.#headers(head) });
      if (head.endStream) request.end();
    } catch (error) {
      request?.on("error", () => {}).destroy();
      if (isMalformed(error)) throw new TypeError(`malformed request headers: ${messageOf(error)}`, { cause: error });
      process.nextTick(() => {
        const seen = this.#refused(error);
        listener.closed({ kind: "broken", fate: "unsent", errorCode: undefined, error: seen });
        this.#closeIfIdle();
      });
      return deadStream;
    }
    const stream = new Http1Stream(request, listener, this.#streamContext, head.background === true);
    this.#streams.add(stream);
    if (stream.isBackground) this.#background++;
    return stream;
  }

  drain(): void {
    this.#draining = true;
    const reason = new Error(`${this.label} was closed`);
    this.#end ??= { reason, orderly: true };
    if (this.#route === undefined) this.destroy(reason);
    else this.#closeIfIdle();
  }

  destroy(reason: Error): void {
    if (this.#closed) return;
    this.#draining = true;
    // what ends it by force counts, and not that it was on its way to an orderly end
    if (this.#end === undefined || this.#end.orderly) this.#end = { reason, orderly: false };
    const { reason: seen } = this.#end;
    if (this.#route === undefined) {
      this.#giveUpDial();
      process.nextTick(() => this.#finish(seen, false));
      return;
    }
    let streamsLost = 0;
    for (const stream of [...this.#streams]) {
      if (stream.destroy(reason) && !stream.isBackground) streamsLost++;
    }
    this.#finish(seen, false, streamsLost);
  }

  #headers(head: RequestHead): Record<string, string | string[]> {
    const headers: Record<string, string | string[]> = Object.create(null);
    headers["host"] = this.#options.target.authority;
    for (const [name, value] of [...head.headers, ...(head.furtherHeaders ?? [])]) {
      const before = name === "host" ? undefined : headers[name];
      headers[name] = before === undefined ? value : [before, value].flat();
    }
    return headers;
  }

  /** The endpoint takes no more connections: it is to be dialled anew, while requests under way finish. */
  #refused(error: unknown): StatusError {
    const text = explainDialError(error, this.#address, this.#options.target);
    const seen = unavailable(`${this.label}: ${text}`, error);
    if (this.#draining) return seen;
    this.#draining = true;
    this.#end = { reason: seen, orderly: false };
    // the nearest word for it that the owner of a connection knows
    this.#listener.goaway({ errorCode: ErrorCode.connectError, lastStreamId: 2 ** 31 - 1, debugData: text });
    return seen;
  }

  get #address(): Address {
    return this.#route?.address ?? this.endpoint.addresses[0];
  }

  #streamEnded(stream: Http1Stream, answered: boolean): void {
    const wasFull = this.inFlight >= this.maxStreams;
    if (answered && !stream.isBackground) this.#answered++;
    if (this.#streams.delete(stream) && stream.isBackground) this.#background--;
    // after its listener has heard of its end
    if (this.#draining) process.nextTick(() => this.#closeIfIdle());
    else if (wasFull) this.#listener.capacity();
  }

  #closeIfIdle(): void {
    if (!this.#draining || this.inFlight > 0 || this.#end === undefined) return;
    this.#finish(this.#end.reason, this.#end.orderly);
  }

  #finish(reason: Error, orderly: boolean, streamsLost = 0): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#draining = true;
    for (const stream of [...this.#streams]) stream.destroy(reason); // those in the background are not waited for
    this.#route?.close();
    this.#listener.closed({ reason, orderly, streamsLost });
  }
}
