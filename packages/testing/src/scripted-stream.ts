import type { HeaderList, RequestHead, Stream, StreamEnd, StreamFate, StreamListener } from "@evenkeel/core";

/** What a script answers with. Everything has a default: status 200, and no headers, body or trailers. */
export interface ScriptedResponse {
  readonly status?: number;
  readonly headers?: HeaderList;
  /** One chunk for each call of `data`. */
  readonly body?: readonly Uint8Array[];
  readonly trailers?: HeaderList;
}

/** How a script breaks a stream off. */
export interface ScriptedBreak {
  readonly fate: Exclude<StreamFate, "answered">;
  /** The HTTP/2 error code of the reset; none by default, as where the connection went. */
  readonly errorCode?: number;
  readonly error: Error;
}

/**
 * A stream on a `ScriptedConnection`: records what the code under test sent, and tells it what the test scripts.
 *
 * The listener is called before the scripting method, or `cancel`, or `resume`, returns. A script that does what no
 * peer can do (data before headers, anything after the end) gets an `Error`; what it had still to say to a stream that
 * the code under test cancels in the middle of one `respond` is dropped.
 */
export class ScriptedStream implements Stream {
  /** 1, 3, 5 … on its connection. */
  readonly id: number;
  readonly head: RequestHead;
  readonly #label: string;
  readonly #listener: StreamListener;
  readonly #onEnd: (tell: () => void) => void;
  readonly #chunks: Uint8Array[] = [];
  /** Data that flow control holds back, and what came behind it. */
  readonly #held: (() => void)[] = [];
  #requestEnded: boolean;
  #response: "awaited" | "headers" | "trailers" | "complete" = "awaited";
  #end: StreamEnd | undefined;
  #cancelReason: Error | undefined;
  #paused = false;
  #blocked = false;
  #owesDrained = false;

  /** Made by `ScriptedConnection.open`. `onEnd` takes the stream off its connection, and calls `tell` in between. */
  constructor(
    id: number,
    connectionLabel: string,
    head: RequestHead,
    listener: StreamListener,
    onEnd: (tell: () => void) => void,
  ) {
    this.id = id;
    this.head = head;
    this.#label = `stream ${id} (${head.path}) on ${connectionLabel}`;
    this.#listener = listener;
    this.#onEnd = onEnd;
    this.#requestEnded = head.endStream;
  }

  // what the code under test calls

  write(chunk: Uint8Array): boolean {
    if (this.#end !== undefined || this.#requestEnded) return true;
    this.#chunks.push(chunk);
    if (this.#blocked) this.#owesDrained = true;
    return !this.#blocked;
  }

  end(chunk?: Uint8Array): void {
    if (this.#end !== undefined || this.#requestEnded) return;
    if (chunk !== undefined) this.#chunks.push(chunk);
    this.#requestEnded = true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused && this.#end === undefined) {
      const deliver = this.#held.shift();
      if (deliver === undefined) return;
      deliver();
    }
  }

  cancel(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#cancelReason = reason;
    this.#close({ kind: "broken", fate: "ambiguous", errorCode: undefined, error: reason });
  }

  // what the test sees

  /** The body chunks written so far. */
  get written(): readonly Uint8Array[] {
    return this.#chunks;
  }

  /** Whether the request is whole: it had no body, or its body has ended. */
  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  /** Whether the code under test holds data back. */
  get paused(): boolean {
    return this.#paused;
  }

  /** The reason of the `cancel` that ended the stream. */
  get cancelReason(): Error | undefined {
    return this.#cancelReason;
  }

  /** How the stream ended; `undefined` while it is open. */
  get result(): StreamEnd | undefined {
    return this.#end;
  }

  // what the test scripts

  /** Sends headers, the body's chunks, and trailers where they are given. `complete` or `break` has to follow. */
  respond(response: ScriptedResponse = {}): void {
    this.sendHeaders(response.status, response.headers);
    for (const chunk of response.body ?? []) {
      if (this.#end === undefined) this.sendData(chunk);
    }
    if (response.trailers !== undefined && this.#end === undefined) this.sendTrailers(response.trailers);
  }

  /** Sends response headers; defaults: 200, none. */
  sendHeaders(status = 200, headers: HeaderList = []): void {
    this.#expect("send headers", "awaited");
    this.#response = "headers";
    this.#listener.headers(status, headers);
  }

  /** Sends one chunk of the body; held back while the stream is paused. */
  sendData(chunk: Uint8Array): void {
    this.#expect("send data", "headers");
    this.#deliver(() => this.#listener.data(chunk), this.#paused);
  }

  /** Sends trailers; behind data that is held back. */
  sendTrailers(trailers: HeaderList): void {
    this.#expect("send trailers", "headers");
    this.#response = "trailers";
    this.#deliver(() => this.#listener.trailers(trailers), false);
  }

  /** Sends END_STREAM; behind data that is held back. */
  complete(): void {
    this.#expect("complete", "headers", "trailers");
    this.#response = "complete";
    this.#deliver(() => this.#close({ kind: "complete" }), false);
  }

  /** Ends the stream before its response is whole; data that is held back is lost. */
  break({ fate, errorCode, error }: ScriptedBreak): void {
    if (this.#end !== undefined) throw this.#misuse(`break (${fate})`);
    if (fate !== "ambiguous" && this.#response !== "awaited") throw this.#misuse(`break (${fate})`);
    this.#close({ kind: "broken", fate, errorCode, error });
  }

  /** Its connection became suspect. */
  tellSuspicion(): void {
    if (this.#end === undefined) this.#listener.suspected?.();
  }

  /** From now on `write` returns `false`: the peer's window is full. */
  block(): void {
    if (this.#end !== undefined) throw this.#misuse("block");
    this.#blocked = true;
  }

  /** The peer takes bytes again: tells `drained` when a `write` had returned `false`. */
  unblock(): void {
    if (this.#end !== undefined) throw this.#misuse("unblock");
    this.#blocked = false;
    if (!this.#owesDrained) return;
    this.#owesDrained = false;
    this.#listener.drained();
  }

  #deliver(event: () => void, hold: boolean): void {
    if (hold || this.#held.length > 0) this.#held.push(event);
    else event();
  }

  #close(end: StreamEnd): void {
    this.#end = end;
    this.#held.length = 0;
    this.#onEnd(() => this.#listener.closed(end));
  }

  #expect(action: string, ...allowed: readonly string[]): void {
    if (this.#end !== undefined || !allowed.includes(this.#response)) throw this.#misuse(action);
  }

  #misuse(action: string): Error {
    return new Error(`the script cannot ${action}: ${this.#label} ${this.#describeState()}`);
  }

  #describeState(): string {
    if (this.#cancelReason !== undefined) return `was cancelled: ${this.#cancelReason.message}`;
    if (this.#end?.kind === "broken") return `has ended (${this.#end.fate}): ${this.#end.error.message}`;
    switch (this.#response) {
      case "awaited":
        return "has sent no response headers";
      case "headers":
        return "has sent response headers";
      case "trailers":
        return "has sent trailers";
      case "complete":
        return "has sent END_STREAM";
    }
  }
}
