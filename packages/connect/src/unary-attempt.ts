import { Code, ConnectError } from "@connectrpc/connect";
import type { Stream } from "@evenkeel/core";
import { Attempt } from "./attempt.ts";
import { BodyBuffer } from "./body-buffer.ts";
import { compressedFlag, EnvelopeReader, type EnvelopeTaker } from "./envelope.ts";
import { cannotDecompress, toConnectError } from "./errors.ts";
import { checkReadLimit } from "./limits.ts";
import type { Response } from "./protocol.ts";
import type { UnaryCall } from "./unary-call.ts";

/** One attempt of a unary RPC. */
export class UnaryAttempt extends Attempt implements EnvelopeTaker {
  declare protected readonly call: UnaryCall;
  #reader: EnvelopeReader | undefined;
  /** A body without envelopes. */
  #buffer: BodyBuffer | undefined;
  /** The only message, as it came. */
  #data: Uint8Array | undefined;
  #isCompressed = false;
  /** The envelope that ends the messages, if that is compressed. */
  #compressedEnd: Uint8Array | undefined;

  protected readonly isSent = true;

  takeEnvelope(flags: number, data: Uint8Array): boolean {
    const response = this.response as Response;
    const isCompressed = (flags & compressedFlag) !== 0;
    if (response.endFlag === 0 || (flags & response.endFlag) === 0) {
      response.message();
      this.#data = data;
      this.#isCompressed = isCompressed;
    } else if (isCompressed) this.#compressedEnd = data;
    else response.endEnvelope(data);
    return true;
  }

  drained(): void {}

  protected send(stream: Stream): void {
    const { body } = this.call;
    if (body !== undefined) stream.end(body);
  }

  protected responded(response: Response): void {
    if (this.call.protocol.isEnveloped) {
      this.#reader = new EnvelopeReader(this.call.context.options.readMaxBytes);
      return;
    }
    this.#buffer = new BodyBuffer();
    this.#buffer.expect(response.length ?? 0);
  }

  protected receive(chunk: Uint8Array): void {
    if (this.#reader !== undefined) this.#reader.push(chunk, this);
    else if (this.#buffer !== undefined) this.#receiveRaw(this.#buffer, chunk);
  }

  protected complete(): void {
    const { response } = this;
    try {
      if (response === undefined) {
        throw new ConnectError("protocol error: the response has no headers", Code.Internal);
      }
      if (this.#buffer !== undefined) this.#takeRaw(this.#buffer, response);
      if (this.#isCompressed || this.#compressedEnd !== undefined) this.#decompress(response);
      else this.#finish(response, this.#data);
    } catch (error) {
      this.misunderstood(error);
    }
  }

  #receiveRaw(buffer: BodyBuffer, chunk: Uint8Array): void {
    const bytes = buffer.byteLength + chunk.byteLength;
    const length = this.response?.length;
    if (length === undefined) checkReadLimit(this.call.context.options.readMaxBytes, bytes, false);
    else if (bytes > length) throw unkept(length, bytes);
    buffer.push(chunk);
  }

  #takeRaw(buffer: BodyBuffer, response: Response): void {
    const { length, compression } = response;
    if (length !== undefined && buffer.byteLength < length) throw unkept(length, buffer.byteLength);
    this.#data = buffer.take();
    this.#isCompressed = compression !== undefined;
  }

  #decompress(response: Response): void {
    const { compression } = response;
    if (compression === undefined) throw cannotDecompress();
    const { readMaxBytes } = this.call.context.options;
    const inflate = (data: Uint8Array): Promise<Uint8Array> => compression.decompress(data, readMaxBytes);
    const finish = async (): Promise<void> => {
      const data = this.#isCompressed && this.#data !== undefined ? await inflate(this.#data) : this.#data;
      if (this.#compressedEnd !== undefined) response.endEnvelope(await inflate(this.#compressedEnd));
      if (!this.isOver) this.#finish(response, data);
    };
    finish().catch((error: unknown) => this.misunderstood(toConnectError(error)));
  }

  #finish(response: Response, data: Uint8Array | undefined): void {
    const failure = data === undefined ? undefined : response.errorOf?.(data);
    if (failure !== undefined) throw failure;
    const message = data === undefined ? undefined : this.call.parse(data);
    this.#reader?.end();
    response.end(this.trailer);
    if (message === undefined) throw new ConnectError("protocol error: missing output message", Code.Internal);
    this.call.brought(message, response, this);
  }
}

function unkept(promised: number, received: number): ConnectError {
  return new ConnectError(`protocol error: promised ${promised} bytes, received ${received}`, Code.InvalidArgument);
}
