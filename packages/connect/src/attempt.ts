import type { Connection, Outcome, StatusCode, Stream, StreamEnd, StreamFate } from "@evenkeel/core";

/** Bytes of a streaming request that are kept for another attempt. */
const replayLimitBytes = 256 * 1024;

/** One attempt of an RPC, from its pick to its outcome: what the HTTP client saw of it. */
export class Attempt {
  readonly #now: () => number;
  readonly #onCommit: () => void;
  readonly #limitBytes: number;
  #picked: { readonly connection: Connection; readonly atMs: number } | undefined;
  #firstByteMs: number | undefined;
  #stream: Stream | undefined;
  #end: StreamEnd | undefined;
  #sentBytes = 0;

  /** `onCommit` is called when the request cannot be sent again, or need not: too much of it was sent. */
  constructor(now: () => number, isOneMessage: boolean, onCommit: () => void) {
    this.#now = now;
    this.#limitBytes = isOneMessage ? Number.POSITIVE_INFINITY : replayLimitBytes;
    this.#onCommit = onCommit;
  }

  get connection(): Connection | undefined {
    return this.#picked?.connection;
  }

  /** How its stream ended, once it did. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  picked(connection: Connection): void {
    this.#picked = { connection, atMs: this.#now() };
  }

  opened(stream: Stream): void {
    this.#stream = stream;
  }

  sent(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#sentBytes > this.#limitBytes) this.#onCommit();
  }

  responded(): void {
    if (this.#picked !== undefined) this.#firstByteMs = this.#now() - this.#picked.atMs;
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
    const durationMs = this.#picked === undefined ? 0 : this.#now() - this.#picked.atMs;
    return { code, fate, firstByteMs: this.#firstByteMs, durationMs };
  }
}
