import { Code, type ConnectError } from "@connectrpc/connect";
import type {
  Connection,
  HeaderList,
  PickHandler,
  StatusCode,
  Stream,
  StreamEnd,
  StreamListener,
  Timer,
} from "@evenkeel/core";
import { AttemptOutcome } from "./attempt-outcome.ts";
import type { Call } from "./call.ts";
import { toConnectError } from "./errors.ts";
import { noHeaders } from "./headers.ts";
import type { Response } from "./protocol.ts";

/** How long, and for how many bytes, a response that nobody waits for may take to end by itself. */
const lingerMs = 1_000;
const lingerBytes = 64 * 1024;

/** One attempt of a call: the handler of its pick, and the listener of its stream. Reports its outcome once. */
export abstract class Attempt implements PickHandler, StreamListener {
  /** How many attempts there were before, as the server is told. */
  readonly previous: number;
  protected readonly call: Call;
  protected trailer: HeaderList = noHeaders;
  /** Undefined before a head that can be taken. */
  #response: Response | undefined;
  #header: HeaderList = noHeaders;
  #connection: Connection | undefined;
  #stream: Stream | undefined;
  #end: StreamEnd | undefined;
  #pickedMs = 0;
  #firstByteMs: number | undefined;
  /** Until a stream is cancelled that lingers. */
  #timer: Timer | undefined;
  #lingered = 0;
  #isOver = false;
  /** Takes the attempt out of the queue. Only where it need not wait as long as its call. */
  #waiting: AbortController | undefined;

  constructor(call: Call, previous: number) {
    this.call = call;
    this.previous = previous;
  }

  /** Sends the request, or its first messages. */
  protected abstract send(stream: Stream): void;
  /** The head of the response was taken. */
  protected abstract responded(response: Response): void;
  /** Bytes of the response's body. May throw the error of the attempt. */
  protected abstract receive(chunk: Uint8Array): void;
  /** END_STREAM arrived. */
  protected abstract complete(): void;
  /** Whether all of the request was sent. */
  protected abstract readonly isSent: boolean;
  abstract drained(): void;

  /** Whether its call is told of nothing more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  get header(): HeaderList {
    return this.#header;
  }

  get response(): Response | undefined {
    return this.#response;
  }

  get stream(): Stream | undefined {
    return this.#stream;
  }

  /** Whether it waits on a connection that does not answer. */
  get isSilent(): boolean {
    return !this.#isOver && this.#connection?.suspect === true;
  }

  /** For a pick that ends with the attempt. */
  get waiting(): AbortSignal {
    this.#waiting ??= new AbortController();
    return this.#waiting.signal;
  }

  picked(connection: Connection): void {
    if (this.#isOver || !this.call.takes(connection, this)) return;
    this.#connection = connection;
    this.#pickedMs = this.call.context.clock.now();
    try {
      this.#stream = connection.open(this.call.headOf(this, this.#pickedMs), this);
    } catch (thrown) {
      const error = toConnectError(thrown);
      this.#end = { kind: "broken", fate: "unsent", errorCode: undefined, error };
      this.call.unpicked(error, this);
      return;
    }
    this.send(this.#stream);
    if (connection.suspect) this.call.suspected(this);
  }

  failed(error: Error): void {
    if (!this.#isOver) this.call.unpicked(toConnectError(error, Code.Unavailable), this);
  }

  headers(status: number, headers: HeaderList): void {
    if (this.#isOver) return;
    this.#firstByteMs = this.call.context.clock.now() - this.#pickedMs;
    this.#header = headers;
    try {
      this.#response = this.call.protocol.respond(status, headers);
      this.responded(this.#response);
    } catch (error) {
      this.misunderstood(error);
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#isOver) {
      this.#lingered += chunk.byteLength;
      if (this.#lingered > lingerBytes) this.#cancel(abandoned);
      return;
    }
    try {
      this.receive(chunk);
    } catch (error) {
      this.misunderstood(error);
    }
  }

  trailers(trailers: HeaderList): void {
    this.trailer = trailers;
  }

  suspected(): void {
    if (!this.#isOver) this.call.suspected(this);
  }

  closed(end: StreamEnd): void {
    this.#end = end;
    this.#stream = undefined;
    if (this.#isOver) this.#timer?.cancel();
    else if (end.kind === "complete") this.complete();
    else this.call.broke(end, this);
  }

  /**
   * Ends it, with an error unless it is the one that succeeded, and reports it. Its stream is cancelled; one whose peer
   * has said all that counts, `linger`, may end by itself: servers count resets.
   */
  finish(error: ConnectError | undefined, linger = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // an abort that nobody listens to is not free
    if (this.#connection === undefined) this.#waiting?.abort();
    this.#report(error === undefined ? 0 : (error.code as number as StatusCode));
    if (error === undefined) return;
    if (linger && this.isSent && this.#stream !== undefined) {
      this.#timer = this.call.context.clock.setTimeout(() => this.#cancel(error), lingerMs);
    } else this.#cancel(error);
  }

  /** The response is not what it should be. */
  protected misunderstood(error: unknown): void {
    if (!this.#isOver) this.call.answered(toConnectError(error), this, true);
  }

  #cancel(reason: Error): void {
    this.#timer?.cancel();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel(reason);
  }

  #report(code: StatusCode): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { channel, clock } = this.call.context;
    const durationMs = clock.now() - this.#pickedMs;
    const trailer = this.#response?.trailer ?? noHeaders;
    const fields = { header: this.#header, trailer: trailer.length > 0 ? trailer : this.trailer };
    const outcome = new AttemptOutcome(code, this.#end, this.#firstByteMs, durationMs, fields);
    channel.report(connection, this.call, outcome);
  }
}

const abandoned = new Error("the response went on after its RPC had ended");
