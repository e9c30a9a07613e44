import { type HeaderList, StatusError, type Stream, type StreamEnd, type StreamListener } from "@evenkeel/core";
import { ErrorCode, errorCodeName, statusOfErrorCode } from "./error-code.ts";
import { ReceiveWindow, SendWindow } from "./flow-control.ts";
import type { FrameWriter } from "./frames/frame-writer.ts";
import { readResponseHead } from "./response-head.ts";
import { unavailable } from "./unavailable.ts";

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly writer: FrameWriter;
  /** What the peer takes on all streams together. */
  readonly sendWindow: SendWindow;
  /** The stream has bytes that its window allows: `pump` is to be called when the connection can take them. */
  blocked(stream: ClientStream): void;
  /** The stream is over: no frame of it means anything any more. `tell` is to be called once that is known. */
  ended(stream: ClientStream, how: StreamEnding, tell: () => void): void;
  describe(what: string): string;
}

/** `answered`: END_STREAM arrived. `reset`: by the peer. `cancelled`: by us. `lost`: with its connection. */
export type StreamEnding = "answered" | "reset" | "cancelled" | "lost";

const nothing = new Uint8Array(0);

/** One request and its response (RFC 9113, section 5.1), on the client's side. */
export class ClientStream implements Stream {
  readonly id: number;
  /** See `RequestHead.background`. */
  readonly isBackground: boolean;
  readonly #owner: StreamOwner;
  readonly #listener: StreamListener;
  readonly #sendWindow: SendWindow;
  readonly #receiveWindow: ReceiveWindow;
  /** The writer's count of flushes when HEADERS were encoded: while it stays the same, they have not left. */
  readonly #openedAt: number;
  /** Bytes that wait for a window or for the socket; of the first, `#sentOfFirst` are gone. */
  #waiting: Uint8Array[] = [];
  #sentOfFirst = 0;
  #owesDrained = false;
  /** Nothing follows what was written. */
  #endRequested: boolean;
  /** END_STREAM was sent. */
  #localEnded: boolean;
  #responded = false;
  /** Of the response, where it says so and has a body. */
  #contentLength: number | undefined;
  readonly #hasNoBody: boolean;
  #bodyBytes = 0;
  #trailers: HeaderList | undefined;
  #paused = false;
  #ended = false;

  constructor(
    id: number,
    owner: StreamOwner,
    listener: StreamListener,
    init: {
      readonly method: string;
      readonly endStream: boolean;
      readonly isBackground: boolean;
      readonly sendWindow: number;
      readonly receiveWindow: number;
    },
  ) {
    this.id = id;
    this.isBackground = init.isBackground;
    this.#owner = owner;
    this.#listener = listener;
    this.#hasNoBody = init.method === "HEAD";
    this.#endRequested = init.endStream;
    this.#localEnded = init.endStream;
    this.#sendWindow = new SendWindow(init.sendWindow);
    this.#receiveWindow = new ReceiveWindow(init.receiveWindow);
    this.#openedAt = owner.writer.flushes;
  }

  // what its user calls

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#endRequested || chunk.length === 0) return true;
    return this.#send(chunk);
  }

  end(chunk: Uint8Array = nothing): void {
    if (this.#ended || this.#endRequested) return;
    this.#endRequested = true;
    this.#send(chunk);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#ended) this.#giveBack();
  }

  cancel(reason: Error): void {
    if (this.#ended) return;
    this.#owner.writer.rstStream(this.id, ErrorCode.cancel);
    this.#end("cancelled", { kind: "broken", fate: "ambiguous", errorCode: undefined, error: reason });
  }

  // what its connection calls

  /** Sends what waits, as far as the windows and the socket allow. Returns whether all of it left; if not, it is seen to. */
  pump(): boolean {
    if (this.#ended) return true;
    const { writer, sendWindow } = this.#owner;
    for (;;) {
      const chunk = this.#waiting[0];
      if (chunk === undefined) break;
      const left = chunk.length - this.#sentOfFirst;
      const allowed = Math.min(left, this.#sendWindow.size, sendWindow.size, writer.maxFrameSize);
      if (left > 0 && (allowed <= 0 || writer.isFull)) {
        // below a window of its own it waits for `growWindow`, and is no burden to the others
        if (this.#sendWindow.size > 0) this.#owner.blocked(this);
        return false;
      }
      const isLast = this.#endRequested && allowed === left && this.#waiting.length === 1;
      const piece = allowed === chunk.length ? chunk : chunk.subarray(this.#sentOfFirst, this.#sentOfFirst + allowed);
      this.#data(piece, isLast);
      if (allowed < left) {
        this.#sentOfFirst += allowed;
      } else {
        this.#waiting.shift();
        this.#sentOfFirst = 0;
      }
    }
    if (this.#owesDrained) {
      this.#owesDrained = false;
      this.#listener.drained();
    }
    return true;
  }

  /** The peer takes more bytes. Returns whether its window stays within its bounds. */
  growWindow(increment: number): boolean {
    if (!this.#sendWindow.grow(increment)) return false;
    if (increment > 0) this.pump();
    return true;
  }

  /** The peer takes the stream for broken, or we the peer's frames: RST_STREAM with that code. */
  fail(errorCode: number, message: string): void {
    if (this.#ended) return;
    this.#owner.writer.rstStream(this.id, errorCode);
    const error = new StatusError(statusOfErrorCode(errorCode), this.#owner.describe(message));
    this.#end("cancelled", { kind: "broken", fate: "ambiguous", errorCode: undefined, error });
  }

  /** Whether the head of the response is still to come. */
  get awaitsHead(): boolean {
    return !this.#responded && !this.#ended;
  }

  /** The connection became suspect. */
  onSuspicion(): void {
    if (!this.#ended) this.#listener.suspected?.();
  }

  onDataFrame(flowLength: number): void {
    if (!this.#receiveWindow.take(flowLength)) {
      this.fail(ErrorCode.flowControlError, "the peer sent more than the stream's window allows");
    }
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    if (this.#ended) return;
    if (!this.#responded) {
      this.fail(ErrorCode.protocolError, "the peer sent a body before its headers");
      return;
    }
    this.#bodyBytes += chunk.length;
    if (chunk.length > 0) this.#listener.data(chunk);
    if (endStream) this.#complete();
    else if (!this.#paused && !this.#ended) this.#giveBack();
  }

  onHeaders(fields: HeaderList, endStream: boolean): void {
    const head = readResponseHead(fields, this.#responded);
    if (head.kind === "malformed") {
      this.fail(ErrorCode.protocolError, `malformed response: ${head.reason}`);
    } else if (head.kind === "trailers") {
      if (!endStream) {
        this.fail(ErrorCode.protocolError, "malformed response: headers in its middle");
        return;
      }
      this.#trailers = head.headers;
      this.#complete();
    } else if (head.kind === "informational") {
      if (endStream) this.fail(ErrorCode.protocolError, "malformed response: it ended with a 1xx status");
    } else {
      this.#responded = true;
      const hasBody = !this.#hasNoBody && head.status !== 204 && head.status !== 304;
      if (hasBody) this.#contentLength = head.contentLength;
      this.#listener.headers(head.status, head.headers);
      if (endStream) this.#complete();
    }
  }

  onReset(errorCode: number): void {
    if (errorCode === ErrorCode.refusedStream && !this.#responded) {
      const error = unavailable(this.#owner.describe("the stream was refused (REFUSED_STREAM)"));
      this.#end("reset", { kind: "broken", fate: "unprocessed", errorCode, error });
      return;
    }
    const message = this.#owner.describe(`the stream was reset with ${errorCodeName(errorCode)}`);
    const error = new StatusError(statusOfErrorCode(errorCode), message);
    this.#end("reset", { kind: "broken", fate: "ambiguous", errorCode, error });
  }

  /** The peer's GOAWAY says that it did not process it. */
  onRefused(cause: Error): void {
    const error = unavailable(this.#owner.describe("its GOAWAY says the request was not processed"), cause);
    // which is not so where it was answered
    const fate = this.#responded ? "ambiguous" : "unprocessed";
    this.#end("reset", { kind: "broken", fate, errorCode: undefined, error });
  }

  /** The connection is gone. */
  onLost(cause: Error): void {
    if (this.#owner.writer.flushes === this.#openedAt && !this.#responded) {
      const error = unavailable(this.#owner.describe("it ended before the request was sent"), cause);
      this.#end("reset", { kind: "broken", fate: "unsent", errorCode: undefined, error });
    } else {
      this.#end("lost", { kind: "broken", fate: "ambiguous", errorCode: undefined, error: cause });
    }
  }

  /** Returns whether all of it left. */
  #send(chunk: Uint8Array): boolean {
    const { writer, sendWindow } = this.#owner;
    const { length } = chunk;
    const fits = length <= this.#sendWindow.size && length <= sendWindow.size && length <= writer.maxFrameSize;
    if (this.#waiting.length === 0 && ((fits && !writer.isFull) || length === 0)) {
      this.#data(chunk, this.#endRequested);
      return true;
    }
    this.#waiting.push(chunk);
    if (this.pump()) return true;
    this.#owesDrained = true;
    return false;
  }

  #data(chunk: Uint8Array, endStream: boolean): void {
    this.#owner.writer.data(this.id, chunk, endStream);
    this.#owner.sendWindow.take(chunk.length);
    this.#sendWindow.take(chunk.length);
    this.#localEnded = endStream;
  }

  #giveBack(): void {
    const increment = this.#receiveWindow.giveBack();
    if (increment > 0) this.#owner.writer.windowUpdate(this.id, increment);
  }

  #complete(): void {
    if (this.#ended) return;
    if (this.#contentLength !== undefined && this.#contentLength !== this.#bodyBytes) {
      const lengths = `a body of ${this.#bodyBytes} bytes, with a content-length of ${this.#contentLength}`;
      this.fail(ErrorCode.protocolError, `malformed response: ${lengths}`);
      return;
    }
    // nobody is left to read the rest of the request (RFC 9113, section 8.1)
    if (!this.#localEnded) this.#owner.writer.rstStream(this.id, ErrorCode.noError);
    this.#end("answered", { kind: "complete" });
  }

  #end(how: StreamEnding, end: StreamEnd): void {
    // another stream's listener may have ended it since its connection began to tell them all
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#owner.ended(this, how, () => {
      if (end.kind === "complete" && this.#trailers !== undefined) this.#listener.trailers(this.#trailers);
      this.#listener.closed(end);
    });
  }
}
