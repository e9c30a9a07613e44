import { AsyncResource } from "node:async_hooks";
import { create, type DescMethodStreaming, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Stream } from "@evenkeel/core";
import { compressedFlag, encodeEnvelope } from "./envelope.ts";
import type { MethodPlan } from "./method-plan.ts";
import type { ProtocolOptions } from "./options.ts";
import { Replay } from "./replay.ts";

/** Bytes of a streaming request that are kept for another attempt. */
const replayLimitBytes = 256 * 1024;

export interface RequestListener {
  /** The messages ended with an error, or cannot be sent. At most once for each stream. */
  requestFailed(error: unknown): void;
}

/** Sends the messages of a request, as fast as the peer takes them: to each stream from the first one on. */
export class RequestPump {
  readonly #plan: MethodPlan<DescMethodStreaming>;
  readonly #options: ProtocolOptions;
  readonly #listener: RequestListener;
  readonly #replay: Replay<unknown, Uint8Array>;
  /** The asynchronous context of the call: a stream is opened while its connection, or another call, is at work. */
  readonly #context = new AsyncResource("RequestPump");
  #message: Message | undefined;

  constructor(
    plan: MethodPlan<DescMethodStreaming>,
    messages: AsyncIterable<unknown>,
    options: ProtocolOptions,
    listener: RequestListener,
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#listener = listener;
    this.#replay = new Replay(messages, (message) => this.#encode(message));
  }

  /** The request message of a server stream, once it is read. */
  get message(): Message | undefined {
    return this.#message;
  }

  get isReplayable(): boolean {
    return this.#replay.isReplayable;
  }

  /** Reads the first message. Rejects where there is none that can be sent. */
  peek(): Promise<void> {
    return this.#replay.peek();
  }

  /** No other stream follows, and one alone goes on. */
  commit(): void {
    this.#replay.commit();
  }

  send(stream: Stream): Sending {
    const sending = new Sending(stream, this.#replay.replay()[Symbol.asyncIterator](), this.#limit);
    void this.#context.runInAsyncScope(this.#run, this, sending);
    return sending;
  }

  /** Nothing is sent any more: the source is told, with `error` if it was not by its own end. */
  stop(error: Error | undefined): void {
    this.#replay.close(error);
  }

  async #run(sending: Sending): Promise<void> {
    try {
      await sending.run();
    } catch (error) {
      if (!sending.isOver) this.#listener.requestFailed(error);
    }
  }

  /** Is told of what was sent to one stream. */
  readonly #limit = (sentBytes: number): void => {
    if (!this.#isOneMessage && sentBytes > replayLimitBytes) this.#replay.commit();
  };

  get #isOneMessage(): boolean {
    return this.#plan.method.methodKind === "server_streaming";
  }

  #encode(given: unknown): Uint8Array | Promise<Uint8Array> {
    const { method, serialization } = this.#plan;
    // what callers and interceptors hand over is what the method takes
    const message = create(method.input, given as MessageInitShape<typeof method.input>);
    if (this.#isOneMessage) this.#message ??= message;
    const data = serialization.serialize(message);
    const { sendCompression, compressMinBytes } = this.#options;
    if (sendCompression === null || data.byteLength < compressMinBytes) return encodeEnvelope(0, data);
    return this.#compress(data, sendCompression);
  }

  async #compress(data: Uint8Array, compression: Compression): Promise<Uint8Array> {
    return encodeEnvelope(compressedFlag, await compression.compress(data));
  }
}

/** The request, on its way to one stream. */
export class Sending {
  readonly #stream: Stream;
  readonly #messages: AsyncIterator<Uint8Array>;
  readonly #onSent: (sentBytes: number) => void;
  #sentBytes = 0;
  #isSent = false;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(stream: Stream, messages: AsyncIterator<Uint8Array>, onSent: (sentBytes: number) => void) {
    this.#stream = stream;
    this.#messages = messages;
    this.#onSent = onSent;
  }

  /** Whether the last message was sent. */
  get isSent(): boolean {
    return this.#isSent;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The stream takes more. */
  drained(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The stream is over: what is left of the messages is for others. */
  leave(): void {
    this.#isOver = true;
    this.drained();
  }

  /** Rejects with the error of the source. */
  async run(): Promise<void> {
    for (;;) {
      const result = await this.#messages.next();
      if (this.#isOver) return;
      if (result.done === true) break;
      this.#sentBytes += result.value.byteLength;
      this.#onSent(this.#sentBytes);
      if (!this.#stream.write(result.value)) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#isOver) return;
    }
    this.#isSent = true;
    this.#stream.end();
  }
}
