import type { Connection, Outcome, PickInfo, StatusCode, Stream, StreamEnd, StreamFate } from "@evenkeel/core";

/** Bytes of a streaming request that are kept for another attempt. */
const replayLimitBytes = 256 * 1024;

export interface AttemptInit {
  readonly now: () => number;
  /** What it is picked by, and reported as. */
  readonly info: PickInfo;
  /** Whether the request is one message, which is kept by reference, whatever its size. */
  readonly isOneMessage: boolean;
  /** Called when too much of the request was sent to keep it for another attempt. */
  readonly onCommit: () => void;
}

/** One attempt of an RPC, from its pick to its outcome: what the HTTP client saw of it. */
export class Attempt {
  readonly #init: AttemptInit;
  #picked: { readonly connection: Connection; readonly atMs: number } | undefined;
  #firstByteMs: number | undefined;
  #stream: Stream | undefined;
  #end: StreamEnd | undefined;
  #sentBytes = 0;

  constructor(init: AttemptInit) {
    this.#init = init;
  }

  get info(): PickInfo {
    return this.#init.info;
  }

  get connection(): Connection | undefined {
    return this.#picked?.connection;
  }

  /** How its stream ended, once it did. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  picked(connection: Connection): void {
    this.#picked = { connection, atMs: this.#init.now() };
  }

  opened(stream: Stream): void {
    this.#stream = stream;
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
    if (!this.#init.isOneMessage && this.#sentBytes > replayLimitBytes) this.#init.onCommit();
  }

  responded(): void {
    if (this.#picked !== undefined) this.#firstByteMs = this.#init.now() - this.#picked.atMs;
  }

  closed(end: StreamEnd): void {
    this.#end = end;
  }

  /** Gives up a stream that is still open. */
  cancel(reason: Error): void {
    if (this.#end === undefined) this.#stream?.cancel(reason);
  }

  outcome(code: StatusCode): Outcome {
    const isAnswered = this.#end === undefined ? this.#firstByteMs !== undefined : this.#end.kind === "complete";
    const fate: StreamFate = isAnswered ? "answered" : this.#end?.kind === "broken" ? this.#end.fate : "ambiguous";
    const durationMs = this.#picked === undefined ? 0 : this.#init.now() - this.#picked.atMs;
    return { code, fate, firstByteMs: this.#firstByteMs, durationMs };
  }
}
