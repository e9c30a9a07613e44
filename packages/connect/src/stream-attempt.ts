import { Code, ConnectError } from "@connectrpc/connect";
import type { Stream, StreamEnd } from "@evenkeel/core";
import { Attempt } from "./attempt.ts";
import { compressedFlag, EnvelopeReader, type EnvelopeTaker } from "./envelope.ts";
import { cannotDecompress } from "./errors.ts";
import type { Response } from "./protocol.ts";
import type { Sending } from "./request-pump.ts";
import type { StreamCall } from "./stream-call.ts";

/** One attempt of a streaming RPC. Messages are its call's as soon as they are whole. */
export class StreamAttempt extends Attempt implements EnvelopeTaker {
  declare protected readonly call: StreamCall;
  #sending: Sending | undefined;
  #reader: EnvelopeReader | undefined;
  /** The envelope that ends the messages is being decompressed. */
  #isEnding = false;

  protected get isSent(): boolean {
    return this.#sending?.isSent === true;
  }

  override closed(end: StreamEnd): void {
    this.#sending?.leave();
    super.closed(end);
  }

  override finish(error: ConnectError | undefined, linger = false): void {
    super.finish(error, linger);
    if (this.stream === undefined) this.#sending?.leave();
  }

  takeEnvelope(flags: number, data: Uint8Array): boolean {
    const response = this.response as Response;
    if (response.endFlag !== 0 && (flags & response.endFlag) !== 0) this.#takeEnd(response, flags, data);
    else {
      response.message();
      this.call.received({ flags, data }, this);
    }
    return !this.isOver;
  }

  drained(): void {
    this.#sending?.drained();
  }

  protected send(stream: Stream): void {
    this.#sending = this.call.pump.send(stream);
  }

  protected responded(): void {
    this.#reader = new EnvelopeReader(this.call.context.options.readMaxBytes);
    this.call.headed(this);
  }

  protected receive(chunk: Uint8Array): void {
    this.#reader?.push(chunk, this);
    this.call.held(this);
  }

  protected complete(): void {
    if (this.#isEnding) return; // goes on when the last envelope is decompressed
    try {
      if (this.response === undefined) {
        throw new ConnectError("protocol error: the response has no headers", Code.Internal);
      }
      this.#reader?.end();
      this.response.end(this.trailer);
    } catch (error) {
      this.misunderstood(error);
      return;
    }
    this.call.completed(this);
  }

  #takeEnd(response: Response, flags: number, data: Uint8Array): void {
    if ((flags & compressedFlag) === 0) {
      response.endEnvelope(data);
      return;
    }
    const { compression } = response;
    if (compression === undefined) throw cannotDecompress();
    this.#isEnding = true;
    const end = async (): Promise<void> => {
      const inflated = await compression.decompress(data, this.call.context.options.readMaxBytes);
      if (this.isOver) return;
      response.endEnvelope(inflated);
      this.#isEnding = false;
      if (this.stream === undefined) this.complete();
    };
    end().catch((error: unknown) => this.misunderstood(error));
  }
}
