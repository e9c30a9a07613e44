import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Duplex } from "node:stream";
import {
  type Clock,
  type Connection,
  type ConnectionListener,
  type Endpoint,
  type HeaderList,
  messageOf,
  type RequestHead,
  StatusCode,
  StatusError,
  type Stream,
  type StreamEnd,
  type StreamFate,
  type StreamListener,
  type Timer,
} from "@evenkeel/core";
import { type DialOptions, dial } from "./dial.ts";
import { errorCodeName, statusOfErrorCode } from "./error-code.ts";
import { Keepalive, type KeepaliveOptions } from "./keepalive.ts";

/** Bytes that a peer may send on a stream, and on the connection, before we have read them. */
const windowSize = 4 * 1024 * 1024;
const closeTimeoutMs = 1_000;
/** Stream ids are odd numbers up to this one (RFC 9113, section 5.1.1). */
const maxStreamId = 2 ** 31 - 1;
/** nghttp2 sends no larger block of headers: it fails the stream, and gives up the session with it. */
const maxHeaderBytes = 64 * 1024;

export interface NodeHttp2ConnectionOptions extends DialOptions, KeepaliveOptions {
  readonly clock: Clock;
  readonly label: string;
}

/** A connection on node:http2: the one file that knows it. */
export class NodeHttp2Connection implements Connection {
  endpoint: Endpoint;
  readonly label: string;
  readonly suspect = false;
  readonly #options: NodeHttp2ConnectionOptions;
  readonly #listener: ConnectionListener;
  #giveUpDial: () => void;
  #session: ClientHttp2Session | undefined;
  #socket: Duplex | undefined;
  #keepalive: Keepalive | undefined;
  #closeTimer: Timer | undefined;
  #ready = false;
  #draining = false;
  #closed = false;
  /** The first thing seen of the connection's end, and whether the end was planned. */
  #end: { readonly reason: Error; readonly orderly: boolean } | undefined;
  #lastStreamId = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  #streamsLost = 0;
  #maxStreams = Number.POSITIVE_INFINITY;

  constructor(endpoint: Endpoint, options: NodeHttp2ConnectionOptions, listener: ConnectionListener) {
    this.endpoint = endpoint;
    this.label = options.label;
    this.#options = options;
    this.#listener = listener;
    this.#giveUpDial = dial(endpoint, options, {
      connected: (socket) => this.#attach(socket),
      failed: (error) => this.#finish(error, false),
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get maxStreams(): number {
    return this.#maxStreams;
  }

  open(head: RequestHead, listener: StreamListener): Stream {
    const session = this.#session;
    if (session === undefined || !this.#ready || this.#draining || session.closed || session.destroyed) {
      return this.#refuse(listener);
    }
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(this.#requestHeaders(head), { endStream: head.endStream });
    } catch (error) {
      if (error instanceof StatusError) throw error;
      if (session.closed || session.destroyed) return this.#refuse(listener);
      throw new TypeError(`malformed request headers: ${messageOf(error)}`, { cause: error });
    }
    this.#inFlight++;
    if (this.#inFlight === 1) setReferenced(this.#socket, true);
    if (stream.id === maxStreamId) this.#retire();
    return new NodeHttp2Stream(stream, listener, {
      seen: () => this.#seen(),
      describe: (what) => `${this.label}: ${what}`,
      isAbove: (id) => id > this.#lastStreamId,
      closed: (lost) => this.#streamClosed(session, lost),
    });
  }

  drain(): void {
    this.#draining = true;
    const reason = new Error(`${this.label} was closed`);
    this.#end ??= { reason, orderly: true };
    if (this.#session === undefined) this.destroy(reason);
    else if (this.#inFlight === 0) this.#close(this.#session);
  }

  destroy(reason: Error): void {
    // what ends it by force counts, and not that it was on its way to an orderly end
    if (this.#end === undefined || this.#end.orderly) this.#end = { reason, orderly: false };
    if (this.#session === undefined) {
      this.#giveUpDial();
      process.nextTick(() => this.#finish(reason, false));
      return;
    }
    this.#session.destroy();
    this.#socket?.destroy();
  }

  #requestHeaders(head: RequestHead): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {
      ":method": head.method,
      ":scheme": this.#options.target.scheme,
      ":authority": this.#options.target.authority,
      ":path": head.path,
    };
    for (const [name, value] of [...head.headers, ...(head.furtherHeaders ?? [])]) {
      const before = headers[name];
      headers[name] = before === undefined ? value : [before, value].flat().map(String);
    }
    checkSize(headers);
    return headers;
  }

  /** Has the endpoint dialled anew, as after the peer's GOAWAY: no stream id is left. */
  #retire(): void {
    this.#draining = true;
    process.nextTick(() => {
      if (this.#closed) return;
      this.#listener.goaway({ errorCode: 0, lastStreamId: maxStreamId, debugData: "every stream id was used" });
    });
  }

  #refuse(listener: StreamListener): Stream {
    const error = unavailable(`${this.label} takes no new streams`, this.#end?.reason);
    process.nextTick(() => listener.closed({ kind: "broken", fate: "unsent", errorCode: undefined, error }));
    return deadStream;
  }

  #streamClosed(session: ClientHttp2Session, lost: boolean): void {
    const wasFull = this.#inFlight >= this.#maxStreams;
    this.#inFlight--;
    if (lost && session.destroyed) this.#streamsLost++;
    if (this.#inFlight === 0) {
      setReferenced(this.#socket, false);
      if (this.#draining && !session.destroyed) this.#close(session);
    }
    if (wasFull && !this.#closed) this.#listener.capacity();
  }

  /** Closes a connection without streams; a peer that does not answer our FIN is not waited for. */
  #close(session: ClientHttp2Session): void {
    session.close();
    this.#closeTimer ??= this.#options.clock.setTimeout(() => this.#socket?.destroy(), closeTimeoutMs);
  }

  #attach(socket: Duplex): void {
    this.#socket = socket;
    const { scheme, authority } = this.#options.target;
    let session: ClientHttp2Session;
    try {
      session = connect(`${scheme}://${authority}`, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: windowSize },
      });
    } catch (error) {
      // a socket of createConnection's that is in use already
      this.#finish(unavailable(`${this.label}: ${messageOf(error)}`, error), false);
      return;
    }
    this.#session = session;
    session.setLocalWindowSize(windowSize);
    setReferenced(socket, false);
    session.on("remoteSettings", ({ maxConcurrentStreams }) => this.#onSettings(maxConcurrentStreams));
    session.on("goaway", (errorCode, lastStreamId, debugData) => {
      // both phases of a graceful retirement count: the second names the id that decides
      this.#lastStreamId = lastStreamId;
      this.#draining = true;
      const data = debugData === undefined ? "" : Buffer.from(debugData).toString("latin1").slice(0, 256);
      if (errorCode === constants.NGHTTP2_NO_ERROR) {
        this.#end ??= { reason: unavailable(`${this.label}: the peer sent GOAWAY`), orderly: true };
      } else {
        const text = `${this.label}: the peer sent GOAWAY with error code ${errorCode} ${data}`.trimEnd();
        this.#end ??= { reason: unavailable(text), orderly: false };
      }
      this.#listener.goaway({ errorCode, lastStreamId, debugData: data });
    });
    socket.on("error", (error) => this.#see(messageOf(error), error));
    socket.on("end", () => this.#see("the peer closed the connection"));
    session.on("error", (error) => this.#see(messageOf(error), error));
    session.on("close", () => {
      const orderly = this.#end?.orderly === true && this.#streamsLost === 0;
      this.#finish(this.#end?.reason ?? unavailable(`${this.label}: the connection ended`), orderly);
      socket.destroy();
    });
  }

  #onSettings(maxConcurrentStreams: number | undefined): void {
    const before = this.#maxStreams;
    this.#maxStreams = maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    if (this.#ready) {
      if (this.#maxStreams > before) this.#listener.capacity();
      return;
    }
    this.#ready = true;
    this.#keepalive = new Keepalive(this.#options, this.#options.clock, {
      ping: (acknowledged) => this.#ping(acknowledged),
      hasStreams: () => this.#inFlight > 0,
      dead: () => this.destroy(unavailable(`${this.label}: no answer to a PING in ${this.#options.pingTimeoutMs} ms`)),
    });
    this.#listener.ready();
  }

  #ping(acknowledged: () => void): void {
    const session = this.#session;
    // on a session that ends it would throw, and the connection's end is told in another way
    if (session === undefined || session.destroyed) return;
    const onAnswer = (error: Error | null): void => {
      if (error === null) acknowledged();
    };
    // node pings no more after GOAWAY, while streams still finish: the answer to SETTINGS shows life as well
    if (session.closed) session.settings({}, onAnswer);
    else session.ping(onAnswer);
  }

  /** Notes what was seen of the end, the first thing being the cause of the others. */
  #see(what: string, cause?: Error): void {
    const hint = this.#ready ? "" : ", before its HTTP/2 SETTINGS: does it speak HTTP/1.1, or TLS, on this port?";
    const reason = unavailable(`${this.label}: ${what}${hint}`, cause);
    if (this.#end === undefined || (this.#end.orderly && this.#inFlight > 0)) {
      this.#end = { reason, orderly: this.#ready && cause === undefined && this.#inFlight === 0 };
    }
  }

  /** What ended the connection under its streams; a connection that drains has not ended yet. */
  #seen(): Error | undefined {
    const isOver = this.#session?.destroyed !== false || this.#socket?.readableEnded !== false;
    return this.#end?.orderly === true && !isOver ? undefined : this.#end?.reason;
  }

  #finish(reason: Error, orderly: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#keepalive?.stop();
    this.#closeTimer?.cancel();
    this.#listener.closed({ reason, orderly, streamsLost: this.#streamsLost });
  }
}

/** What a stream asks of its connection. */
interface StreamContext {
  /** What was seen of the connection's end, if it ended. */
  seen(): Error | undefined;
  describe(what: string): string;
  /** Whether the peer's GOAWAY says that it did not process this stream. */
  isAbove(id: number): boolean;
  /** `lost`: it was written and ended without an answer that we did not give up ourselves. */
  closed(lost: boolean): void;
}

class NodeHttp2Stream implements Stream {
  readonly #stream: ClientHttp2Stream;
  readonly #context: StreamContext;
  #trailers: IncomingHttpHeaders | undefined;
  #responded = false;
  #endStream = false;
  /** END_STREAM arrived, and the listener has all that came before it. */
  #complete = false;
  #cancelled: Error | undefined;
  #error: Error | undefined;
  #id: number | undefined;

  constructor(stream: ClientHttp2Stream, listener: StreamListener, context: StreamContext) {
    this.#stream = stream;
    this.#context = context;
    this.#id = stream.id;
    const push = stream.push.bind(stream);
    stream.push = (chunk, encoding) => {
      // node ends the readable side of a stream that was reset or cut off, too, but has closed the stream by then
      if (chunk === null && !stream.closed) this.#endStream = true;
      return push(chunk, encoding);
    };
    stream.on("ready", () => {
      this.#id = stream.id;
    });
    stream.on("response", (headers) => {
      this.#responded = true;
      if (this.#cancelled === undefined) listener.headers(Number(headers[":status"]), toHeaderList(headers));
    });
    stream.on("data", (chunk: Buffer) => {
      if (this.#cancelled === undefined) listener.data(chunk);
    });
    stream.on("drain", () => listener.drained());
    stream.on("trailers", (trailers) => {
      this.#trailers = trailers;
      // all of the response is here: what node still holds back would be lost with the connection
      stream.resume();
    });
    stream.on("end", () => {
      this.#complete = this.#responded && this.#endStream;
      // nobody is left to read the rest of the request
      if (this.#complete && !stream.writableFinished) this.#reset();
    });
    stream.on("error", (error) => {
      this.#error = error;
    });
    stream.on("close", () => {
      const end = this.#end();
      context.closed(end.kind === "broken" && end.fate === "ambiguous" && this.#cancelled === undefined);
      if (end.kind === "complete" && this.#trailers !== undefined) listener.trailers(toHeaderList(this.#trailers));
      listener.closed(end);
    });
  }

  write(chunk: Uint8Array): boolean {
    return !this.#stream.writable || this.#stream.write(chunk);
  }

  end(chunk?: Uint8Array): void {
    if (this.#stream.writable) this.#stream.end(chunk);
  }

  pause(): void {
    if (this.#trailers === undefined) this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  cancel(reason: Error): void {
    if (this.#stream.destroyed || this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    this.#reset();
  }

  #reset(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.destroy();
  }

  #end(): StreamEnd {
    if (this.#cancelled === undefined && this.#complete) return { kind: "complete" };
    const { rstCode } = this.#stream;
    const broken = (fate: Exclude<StreamFate, "answered">, error: Error, errorCode?: number): StreamEnd => ({
      kind: "broken",
      fate,
      errorCode,
      error,
    });
    if (this.#cancelled !== undefined) return broken(this.#id === undefined ? "unsent" : "ambiguous", this.#cancelled);
    const seen = this.#context.seen();
    if (this.#id === undefined) {
      return broken("unsent", this.#unavailable("it ended before the request was sent", seen));
    }
    if (this.#context.isAbove(this.#id)) {
      return broken("unprocessed", this.#unavailable("its GOAWAY says the request was not processed", seen));
    }
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM && !this.#responded) {
      return broken("unprocessed", this.#unavailable("the stream was refused (REFUSED_STREAM)"), rstCode);
    }
    if (seen !== undefined) return broken("ambiguous", seen);
    const message = this.#context.describe(`the stream was reset with ${errorCodeName(rstCode)}`);
    const options = this.#error === undefined ? undefined : { cause: this.#error };
    return broken("ambiguous", new StatusError(statusOfErrorCode(rstCode), message, options), rstCode);
  }

  #unavailable(what: string, cause?: Error): StatusError {
    return unavailable(this.#context.describe(what), cause);
  }
}

const deadStream: Stream = { write: () => true, end() {}, pause() {}, resume() {}, cancel() {} };

function unavailable(message: string, cause?: unknown): StatusError {
  return new StatusError(StatusCode.unavailable, message, cause === undefined ? undefined : { cause });
}

function toHeaderList(headers: IncomingHttpHeaders): HeaderList {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (name.startsWith(":") || value === undefined) return [];
    return Array.isArray(value) ? value.map((each) => [name, each] as const) : [[name, value] as const];
  });
}

/** Throws a `StatusError` for headers that nghttp2 would not send, by its own estimate of their size. */
function checkSize(headers: OutgoingHttpHeaders): void {
  let bytes = 12;
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [String(value)]) bytes += 12 + name.length + each.length;
  }
  if (bytes <= maxHeaderBytes) return;
  const message = `request headers of ${bytes} bytes are too large to send: at most ${maxHeaderBytes}`;
  throw new StatusError(StatusCode.resourceExhausted, message);
}

/** A socket keeps the process alive only while a stream is open on it. */
function setReferenced(socket: Duplex | undefined, referenced: boolean): void {
  if (socket === undefined || !("ref" in socket) || !("unref" in socket)) return;
  const method = referenced ? socket.ref : socket.unref;
  if (typeof method === "function") method.call(socket);
}
