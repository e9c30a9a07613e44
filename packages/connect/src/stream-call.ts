import type { DescMethodStreaming, Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { Call, type CallInit } from "./call.ts";
import { compressedFlag, type Envelope } from "./envelope.ts";
import { cannotDecompress, leftError, toConnectError } from "./errors.ts";
import { noHeaders, toHeaders } from "./headers.ts";
import type { MethodPlan } from "./method-plan.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { type RequestListener, RequestPump } from "./request-pump.ts";
import { StreamAttempt } from "./stream-attempt.ts";

/** Bytes of a response that wait for their reader before the sender is held back. */
const readAheadBytes = 64 * 1024;

/** What a message that waits costs besides its bytes: there are messages without any. */
const messageCost = 16;

/** Places of messages that were handed out, before their list is made anew. */
const mostTaken = 1_024;

export interface StreamCallInit extends CallInit {
  readonly plan: MethodPlan<DescMethodStreaming>;
  readonly messages: AsyncIterable<unknown>;
  readonly path: string;
  readonly headers: RequestHeaders;
}

/** The head of a response, and its trailers, which are empty before its end. */
export interface StreamHead {
  readonly header: Headers;
  readonly trailer: Headers;
}

/** A reader, and its promise. */
interface Waiting {
  readonly settlers: PromiseWithResolvers<IteratorResult<Message, undefined>>;
  readonly reader: object;
}

/**
 * A streaming RPC on the wire. It is what its connection holds, and holds nothing of its reader but the promises that
 * one waits for: a reader that is gone can be noticed.
 */
export class StreamCall extends Call implements RequestListener {
  readonly pump: RequestPump;
  readonly #init: StreamCallInit;
  readonly #trailer = new Headers();
  #head: PromiseWithResolvers<StreamHead> | undefined = Promise.withResolvers<StreamHead>();
  /** The one whose response is handed out. */
  #answer: StreamAttempt | undefined;
  /** Messages that nobody has asked for yet, from `#first` on. */
  #queue: Envelope[] = [];
  #first = 0;
  /** Bytes of the queue, with the cost of its messages. */
  #unread = 0;
  #isPaused = false;
  /** Readers that wait, the first one first. */
  readonly #waiting: Waiting[] = [];
  /** The first envelope of the queue is being decompressed. */
  #isInflating = false;
  /** How the response ended; a reader gets it after the last message. */
  #outcome: { readonly error: ConnectError | undefined } | undefined;
  /** Messages that came are not handed out any more. */
  #isCut = false;

  constructor(init: StreamCallInit) {
    super(init);
    this.#init = init;
    this.pump = new RequestPump(init.plan, init.messages, this.context.options, this);
  }

  protected get isReplayable(): boolean {
    return this.pump.isReplayable;
  }

  protected get isAnswering(): boolean {
    return this.#answer !== undefined;
  }

  /** The request of a server stream. */
  get message(): Message | undefined {
    return this.pump.message;
  }

  /** Resolves with the head of the response. Rejects with a `ConnectError`. */
  run(): Promise<StreamHead> {
    const { promise } = this.#head as PromiseWithResolvers<StreamHead>;
    const outer = this.scope.ending;
    if (outer !== undefined) this.fail(outer);
    else if (this.plan.method.methodKind !== "server_streaming") this.#begin();
    else {
      // policies may choose by the request
      this.pump
        .peek()
        .then(() => this.#begin())
        .catch((error: unknown) => this.requestFailed(error));
    }
    return promise;
  }

  /** The next message, or the end of them; `reader` is kept until it has that. */
  next(reader: object): Promise<IteratorResult<Message, undefined>> {
    if (this.#waiting.length === 0 && !this.#isInflating) {
      const envelope = this.#queue[this.#first];
      if (envelope !== undefined && (envelope.flags & compressedFlag) === 0) {
        this.#take(envelope);
        try {
          const value = this.plan.serialization.parse(envelope.data);
          this.#refill();
          return Promise.resolve({ done: false, value });
        } catch (error) {
          return Promise.reject(this.#unreadable(error));
        }
      }
    }
    const settlers = Promise.withResolvers<IteratorResult<Message, undefined>>();
    this.#waiting.push({ settlers, reader });
    this.#deliver();
    return settlers.promise;
  }

  /** Nobody reads on. */
  leave(): void {
    const error = leftError();
    this.#cut(error);
    this.fail(error);
    this.#read();
  }

  override ended(error: ConnectError): void {
    // what the caller gave up is not read to its end
    this.#cut(error);
    super.ended(error);
  }

  requestFailed(error: unknown): void {
    this.fail(toConnectError(error));
  }

  // what attempts tell

  /** Handed out when what came with it is read: it may be no more than an error. */
  headed(attempt: StreamAttempt): void {
    queueMicrotask(() => {
      if (!attempt.isOver) this.#answerWith(attempt);
    });
  }

  received(envelope: Envelope, attempt: StreamAttempt): void {
    this.#answerWith(attempt);
    this.#queue.push(envelope);
    this.#unread += envelope.data.byteLength + messageCost;
    if (this.#waiting.length > 0) this.#deliver();
  }

  /** Holds the sender back while too much is unread. */
  held(attempt: StreamAttempt): void {
    if (this.#unread <= readAheadBytes || this.#isPaused) return;
    this.#isPaused = true;
    attempt.stream?.pause();
  }

  completed(attempt: StreamAttempt): void {
    this.#answerWith(attempt);
    this.#showTrailer(attempt);
    this.succeed(attempt);
    this.#end(undefined);
  }

  protected createAttempt(previous: number): StreamAttempt {
    return new StreamAttempt(this, previous);
  }

  protected rejected(error: ConnectError, attempt: StreamAttempt | undefined): void {
    if (attempt?.response !== undefined) {
      this.#answerWith(attempt);
      this.#showTrailer(attempt);
    }
    this.#head?.reject(error);
    this.#head = undefined;
    this.#end(error);
  }

  /** As in Connect, deadline and abort count until the last message is read. */
  protected override release(): void {
    if (!this.ownsScope || this.#isCut || this.#head !== undefined) super.release();
  }

  /** The reader has all that it will get. */
  #read(): void {
    super.release();
  }

  #begin(): void {
    if (!this.isSettled) this.start({ method: "POST", path: this.#init.path, headers: this.#init.headers });
  }

  /** Hands out the head of this attempt's response: no other one follows. */
  #answerWith(attempt: StreamAttempt): void {
    if (this.#answer !== undefined) return;
    this.#answer = attempt;
    this.choose(attempt);
    this.pump.commit();
    this.#head?.resolve({ header: toHeaders(attempt.header), trailer: this.#trailer });
    this.#head = undefined;
  }

  #showTrailer({ response }: StreamAttempt): void {
    for (const [name, value] of toHeaders(response?.trailer ?? noHeaders)) this.#trailer.append(name, value);
  }

  #end(error: ConnectError | undefined): void {
    this.#outcome ??= { error };
    this.pump.stop(error);
    this.#deliver();
  }

  /** Gives readers what they wait for, in its order. */
  #deliver(): void {
    while (this.#waiting.length > 0 && !this.#isInflating) {
      const envelope = this.#queue[this.#first];
      if (envelope !== undefined) {
        if ((envelope.flags & compressedFlag) !== 0) {
          this.#inflate(envelope);
          return;
        }
        this.#take(envelope);
        this.#hand(envelope.data);
        this.#refill();
      } else if (this.#outcome !== undefined) {
        const settlers = this.#waiting.shift()?.settlers;
        if (this.#outcome.error === undefined) settlers?.resolve({ done: true, value: undefined });
        else settlers?.reject(this.#outcome.error);
        this.#read();
      } else return;
    }
  }

  #inflate(envelope: Envelope): void {
    this.#take(envelope);
    this.#isInflating = true;
    this.#refill();
    this.#decompressed(envelope.data).then(
      (data) => {
        if (this.#isCut) return;
        this.#isInflating = false;
        this.#hand(data);
        this.#deliver();
      },
      (error: unknown) => {
        if (!this.#isCut) this.#unreadable(error);
      },
    );
  }

  async #decompressed(data: Uint8Array): Promise<Uint8Array> {
    const compression = this.#answer?.response?.compression;
    if (compression === undefined) throw cannotDecompress();
    return compression.decompress(data, this.context.options.readMaxBytes);
  }

  #hand(data: Uint8Array): void {
    try {
      const value = this.plan.serialization.parse(data);
      this.#waiting.shift()?.settlers.resolve({ done: false, value });
    } catch (error) {
      this.#unreadable(error);
    }
  }

  /** A message cannot be read, which ends the call. Returns its error. */
  #unreadable(thrown: unknown): ConnectError {
    const error = toConnectError(thrown);
    this.#cut(error);
    this.fail(error);
    this.#read();
    return error;
  }

  /** Ends the response for its readers, now. */
  #cut(error: ConnectError): void {
    this.#isCut = true;
    this.#isInflating = false;
    this.#queue = [];
    this.#first = 0;
    this.#unread = 0;
    this.#outcome = { error };
    this.#deliver();
  }

  #take(envelope: Envelope): void {
    this.#unread -= envelope.data.byteLength + messageCost;
    this.#first++;
    // what was handed out is not to pile up behind a reader that is never quite done
    const isEmpty = this.#first === this.#queue.length;
    if (!isEmpty && this.#first < mostTaken) return;
    this.#queue = isEmpty ? [] : this.#queue.slice(this.#first);
    this.#first = 0;
  }

  /** Lets the sender go on; messages may come before it returns. */
  #refill(): void {
    if (!this.#isPaused || this.#unread > readAheadBytes / 2) return;
    this.#isPaused = false;
    this.#answer?.stream?.resume();
  }
}
