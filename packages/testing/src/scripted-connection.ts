import {
  type Connection,
  type ConnectionEnd,
  type ConnectionListener,
  describeEndpoint,
  type Endpoint,
  type Goaway,
  type RequestHead,
  type Stream,
  type StreamListener,
} from "@evenkeel/core";
import { ScriptedStream } from "./scripted-stream.ts";

/** What the pretend peer says in its SETTINGS. */
export interface ScriptedSettings {
  /** Streams that may be open at once; default: no limit. */
  readonly maxStreams?: number;
}

/**
 * A connection whose peer is the test: it is `connecting` until the test calls `becomeReady` or `refuse`.
 *
 * The listener is called before the scripting method, or `drain`, or `destroy`, returns. On the end of a connection its
 * streams are told first. A script that does what no peer can do gets an `Error`.
 */
export class ScriptedConnection implements Connection {
  endpoint: Endpoint;
  readonly label: string;
  readonly #listener: ConnectionListener;
  readonly #onStream: ((stream: ScriptedStream) => void) | undefined;
  readonly #streams: ScriptedStream[] = [];
  readonly #open = new Set<ScriptedStream>();
  readonly #rejected: RequestHead[] = [];
  #state: "connecting" | "ready" | "closed" = "connecting";
  #maxStreams = Number.POSITIVE_INFINITY;
  #goaway: Goaway | undefined;
  #draining = false;
  #answered = 0;
  #suspect = false;
  #end: ConnectionEnd | undefined;

  /** Made by `ScriptedConnector.connect`. `id` is its number in `label`; `onStream` as in the connector's options. */
  constructor(
    id: number,
    endpoint: Endpoint,
    listener: ConnectionListener,
    onStream: ((stream: ScriptedStream) => void) | undefined,
  ) {
    this.endpoint = endpoint;
    this.label = `connection ${id} to ${describeEndpoint(endpoint)}`;
    this.#listener = listener;
    this.#onStream = onStream;
  }

  // what the code under test calls

  get inFlight(): number {
    return this.#open.size;
  }

  get maxStreams(): number {
    return this.#maxStreams;
  }

  get answered(): number {
    return this.#answered;
  }

  get suspect(): boolean {
    return this.#suspect;
  }

  open(head: RequestHead, listener: StreamListener): Stream {
    if (!this.#takesStreams || this.#open.size >= this.#maxStreams) return this.#reject(head, listener);
    const stream = new ScriptedStream(2 * this.#streams.length + 1, this.label, head, listener, (tell) =>
      this.#streamEnded(stream, tell),
    );
    this.#streams.push(stream);
    this.#open.add(stream);
    const onStream = this.#onStream;
    if (onStream !== undefined) {
      queueMicrotask(() => {
        if (stream.result === undefined) onStream(stream);
      });
    }
    return stream;
  }

  drain(): void {
    if (this.#state === "closed") return;
    this.#draining = true;
    this.#closeIfDrained();
  }

  destroy(reason: Error): void {
    if (this.#state !== "closed") this.#close(reason, true);
  }

  // what the test sees

  get state(): "connecting" | "ready" | "closed" {
    return this.#state;
  }

  /** Whether the code under test has called `drain`. */
  get draining(): boolean {
    return this.#draining;
  }

  /** How the connection ended; `undefined` before. */
  get result(): ConnectionEnd | undefined {
    return this.#end;
  }

  /** Every stream that was opened on it, also those that have ended, in order. */
  get streams(): readonly ScriptedStream[] {
    return this.#streams;
  }

  /** The stream that was opened last. Throws an `Error` when there is none. */
  get lastStream(): ScriptedStream {
    const stream = this.#streams.at(-1);
    if (stream === undefined) throw new Error(`no stream was opened on ${this.label}`);
    return stream;
  }

  /** Requests that it could not take: it was not ready, was full, drained, or had had GOAWAY. They end `unsent`. */
  get rejected(): readonly RequestHead[] {
    return this.#rejected;
  }

  // what the test scripts

  /** The peer's SETTINGS arrive. */
  becomeReady(settings: ScriptedSettings = {}): void {
    if (this.#state !== "connecting") throw this.#misuse("become ready");
    this.#maxStreams = settings.maxStreams ?? this.#maxStreams;
    this.#state = "ready";
    this.#listener.ready();
  }

  /** The peer changes its limit; tells `capacity` when it rose. */
  changeMaxStreams(maxStreams: number): void {
    if (this.#state !== "ready") throw this.#misuse("change maxStreams");
    const rose = maxStreams > this.#maxStreams;
    this.#maxStreams = maxStreams;
    if (rose && this.#takesStreams) this.#listener.capacity();
  }

  /** The peer stops to answer, or is heard again. */
  changeSuspect(suspect: boolean): void {
    if (this.#state !== "ready") throw this.#misuse("change suspect");
    if (this.#suspect === suspect) return;
    this.#suspect = suspect;
    this.#listener.suspicion();
    if (suspect) for (const stream of [...this.#streams]) stream.tellSuspicion();
  }

  /** The dial fails. */
  refuse(error: Error): void {
    if (this.#state !== "connecting") throw this.#misuse("be refused");
    this.#close(error, false);
  }

  /**
   * The peer sends GOAWAY; then the open streams above its last stream id end `unprocessed`. No stream can be opened
   * any more.
   *
   * Defaults: NO_ERROR, the id of the last stream that was opened, no debug data. The first of an orderly two:
   * `lastStreamId: 2 ** 31 - 1`.
   */
  sendGoaway(goaway: Partial<Goaway> = {}): void {
    if (this.#state !== "ready") throw this.#misuse("send GOAWAY");
    const lastStreamId = goaway.lastStreamId ?? this.#streams.at(-1)?.id ?? 0;
    if (this.#goaway !== undefined && lastStreamId > this.#goaway.lastStreamId) {
      throw this.#misuse(`send GOAWAY with a last stream id (${lastStreamId}) above that of the one before`);
    }
    this.#goaway = { errorCode: goaway.errorCode ?? 0, lastStreamId, debugData: goaway.debugData ?? "" };
    this.#listener.goaway(this.#goaway);
    const error = new Error(
      `${this.label}: GOAWAY (error code ${this.#goaway.errorCode}, last stream id ${lastStreamId})`,
    );
    for (const stream of [...this.#open]) {
      if (stream.id > lastStreamId && stream.result === undefined) stream.break({ fate: "unprocessed", error });
    }
  }

  /** The connection breaks, as by a reset: its streams end `ambiguous`. */
  lose(error: Error): void {
    if (this.#state !== "ready") throw this.#misuse("be lost");
    this.#close(error, false);
  }

  /** The peer closes the connection, as by FIN: orderly where no stream is open; else its streams end `ambiguous`. */
  hangUp(): void {
    if (this.#state !== "ready") throw this.#misuse("hang up");
    this.#close(new Error(`${this.label}: closed by the peer`), this.#open.size === 0);
  }

  get #takesStreams(): boolean {
    return this.#state === "ready" && !this.#draining && this.#goaway === undefined;
  }

  #reject(head: RequestHead, listener: StreamListener): Stream {
    this.#rejected.push(head);
    let error = new Error(`${this.label} takes no stream: it ${this.#describeState()}`);
    queueMicrotask(() => listener.closed({ kind: "broken", fate: "unsent", errorCode: undefined, error }));
    return {
      write: () => true,
      end() {},
      pause() {},
      resume() {},
      cancel(reason) {
        error = reason;
      },
    };
  }

  #streamEnded(stream: ScriptedStream, tell: () => void): void {
    const wasFull = this.#open.size >= this.#maxStreams;
    this.#open.delete(stream);
    if (stream.result?.kind === "complete") this.#answered++;
    tell();
    if (wasFull && this.#takesStreams && this.#open.size < this.#maxStreams) this.#listener.capacity();
    this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.#draining && this.#state !== "closed" && this.#open.size === 0) {
      this.#close(new Error(`${this.label}: drained`), true);
    }
  }

  #close(reason: Error, orderly: boolean): void {
    const streamsLost = this.#open.size;
    this.#state = "closed";
    this.#end = { reason, orderly, streamsLost };
    for (const stream of [...this.#open]) {
      if (stream.result === undefined) stream.break({ fate: "ambiguous", error: reason });
    }
    this.#listener.closed(this.#end);
  }

  #misuse(action: string): Error {
    return new Error(`the script cannot ${action}: ${this.label} ${this.#describeState()}`);
  }

  #describeState(): string {
    if (this.#end !== undefined) return `has ended: ${this.#end.reason.message}`;
    if (this.#state === "connecting") return "is connecting";
    if (this.#draining) return "is draining";
    if (this.#goaway !== undefined) return "has had GOAWAY";
    return `is ready, with ${this.#open.size} of ${this.#maxStreams} streams`;
  }
}
