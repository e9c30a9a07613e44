import { AsyncResource } from "node:async_hooks";
import { create, type DescMethodStreaming, type MessageInitShape } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Stream } from "@evenkeel/core";
import { compressedFlag, encodeEnvelope } from "./envelope.ts";
import type { MethodPlan } from "./method-plan.ts";
import type { ProtocolOptions } from "./options.ts";
import { Replay } from "./replay.ts";

/** Bytes of a streaming request that are kept for another attempt. */
const replayLimitBytes = 256 * 1024;

export interface RequestListener {
  /** The messages ended with an error, or cannot be sent. At most once. */
  requestFailed(error: unknown): void;
}

/** Sends the messages of a request, as fast as the peer takes them: to one stream after the other, from the first. */
export class RequestPump {
  readonly #plan: MethodPlan<DescMethodStreaming>;
  readonly #options: ProtocolOptions;
  readonly #listener: RequestListener;
  readonly #replay: Replay<unknown, Uint8Array>;
  /** The asynchronous context of the call: a stream is opened while its connection, or another call, is at work. */
  readonly #context = new AsyncResource("RequestPump");
  #stream: Stream | undefined;
  #sentBytes = 0;
  #isSent = false;
  #wake: (() => void) | undefined;

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

  /** Whether the last message was sent. */
  get isSent(): boolean {
    return this.#isSent;
  }

  get isReplayable(): boolean {
    return this.#replay.isReplayable;
  }

  /** No other stream follows. */
  commit(): void {
    this.#replay.commit();
  }

  send(stream: Stream): void {
    this.drained(); // whoever waits for the stream before it
    this.#stream = stream;
    this.#sentBytes = 0;
    this.#isSent = false;
    void this.#context.runInAsyncScope(this.#run, this, stream);
  }

  drained(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The stream is over: what is left of the messages is for the next one. */
  leave(): void {
    this.#stream = undefined;
    this.drained();
  }

  /** Nothing is sent any more: the source is told, with `error` if it was not by its own end. */
  stop(error: Error | undefined): void {
    if (this.#stream === undefined && this.#isSent) return;
    this.leave();
    this.#replay.close(error);
  }

  async #run(stream: Stream): Promise<void> {
    try {
      const messages = this.#replay.replay()[Symbol.asyncIterator]();
      for (;;) {
        const result = await messages.next();
        if (this.#stream !== stream) return;
        if (result.done === true) break;
        if (!this.#write(stream, result.value)) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        if (this.#stream !== stream) return;
      }
      this.#isSent = true;
      stream.end();
    } catch (error) {
      if (this.#stream === stream) this.#listener.requestFailed(error);
    }
  }

  #encode(message: unknown): Uint8Array | Promise<Uint8Array> {
    const { method, serialization } = this.#plan;
    // what callers and interceptors hand over is what the method takes
    const data = serialization.serialize(create(method.input, message as MessageInitShape<typeof method.input>));
    const { sendCompression, compressMinBytes } = this.#options;
    if (sendCompression === null || data.byteLength < compressMinBytes) return encodeEnvelope(0, data);
    return this.#compress(data, sendCompression);
  }

  async #compress(data: Uint8Array, compression: Compression): Promise<Uint8Array> {
    return encodeEnvelope(compressedFlag, await compression.compress(data));
  }

  #write(stream: Stream, bytes: Uint8Array): boolean {
    this.#sentBytes += bytes.byteLength;
    const isOneMessage = this.#plan.method.methodKind === "server_streaming";
    if (!isOneMessage && this.#sentBytes > replayLimitBytes) this.#replay.commit();
    return stream.write(bytes);
  }
}
