import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList, Stream } from "@evenkeel/core";
import { BodyBuffer } from "./body-buffer.ts";
import { Call, type CallInit } from "./call.ts";
import { compressedFlag, EnvelopeReader, type EnvelopeTaker, encodeEnvelope } from "./envelope.ts";
import { cannotDecompress, toConnectError } from "./errors.ts";
import { checkReadLimit } from "./limits.ts";
import { type MethodPlan, pathOfGiven } from "./method-plan.ts";
import type { RequestKind, Response, Timeout } from "./protocol.ts";

export interface UnaryCallInit extends CallInit {
  readonly plan: MethodPlan<DescMethodUnary>;
  readonly message: Message;
  readonly headers: UnaryHeaders;
  readonly toResponse: ToUnaryResponse;
}

/** Where the headers of a request come from. */
export type UnaryHeaders =
  | { readonly kind: "given"; readonly headers: HeaderList }
  /** Interceptors have seen them, with the timeout as it was then, and may have changed the URL as well. */
  | { readonly kind: "seen"; readonly headers: Headers; readonly timeout: Timeout; readonly url: string };

/** Makes what the caller gets. */
export type ToUnaryResponse = (
  method: DescMethodUnary,
  message: Message,
  header: HeaderList,
  trailer: HeaderList,
) => UnaryResponse;

/** A unary RPC on the wire. */
export class UnaryCall extends Call implements EnvelopeTaker {
  readonly #init: UnaryCallInit;
  readonly #settlers: PromiseWithResolvers<UnaryResponse> = Promise.withResolvers<UnaryResponse>();
  /** Kept for further attempts. Undefined until it is serialised, and for a GET. */
  #body: Uint8Array | undefined;
  #response: Response | undefined;
  #reader: EnvelopeReader | undefined;
  /** A body without envelopes. */
  #buffer: BodyBuffer | undefined;
  /** The only message, as it came. */
  #data: Uint8Array | undefined;
  #isCompressed = false;
  /** The envelope that ends the messages, if that is compressed. */
  #compressedEnd: Uint8Array | undefined;

  constructor(init: UnaryCallInit) {
    super(init);
    this.#init = init;
  }

  protected readonly isSent = true;
  protected readonly isReplayable = true;
  protected readonly isAnswering = false;

  /** Rejects with a `ConnectError`. */
  run(): Promise<UnaryResponse> {
    const { options } = this.context;
    const outer = this.scope.ending;
    if (outer !== undefined) this.fail(outer);
    else {
      try {
        const bytes = this.plan.serialization.serialize(this.#init.message);
        const { sendCompression: compression, compressMinBytes } = options;
        if (compression === null || bytes.byteLength < compressMinBytes) this.#begin(bytes, false);
        else this.#compress(bytes, compression);
      } catch (error) {
        this.fail(toConnectError(error));
      }
    }
    return this.#settlers.promise;
  }

  takeEnvelope(flags: number, data: Uint8Array): boolean {
    const response = this.#response as Response;
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
    if (this.#body !== undefined) stream.end(this.#body);
  }

  protected respond(status: number, headers: HeaderList): void {
    this.#response = this.protocol.respond(status, headers);
    this.#data = undefined;
    this.#isCompressed = false;
    this.#compressedEnd = undefined;
    if (this.protocol.isEnveloped) this.#reader = new EnvelopeReader(this.context.options.readMaxBytes);
    else {
      this.#buffer = new BodyBuffer();
      this.#buffer.expect(this.#response.length ?? 0);
    }
  }

  protected receive(chunk: Uint8Array): void {
    if (this.#reader !== undefined) this.#reader.push(chunk, this);
    else if (this.#buffer !== undefined) this.#receiveRaw(this.#buffer, chunk);
  }

  protected complete(): void {
    const response = this.#response;
    if (response === undefined) {
      this.fail(new ConnectError("protocol error: the response has no headers", Code.Internal));
      return;
    }
    try {
      if (this.#buffer !== undefined) this.#takeRaw(this.#buffer, response);
      if (this.#isCompressed || this.#compressedEnd !== undefined) this.#decompress(response);
      else this.#finish(response, this.#data);
    } catch (error) {
      this.fail(toConnectError(error));
    }
  }

  protected rejected(error: ConnectError): void {
    this.#settlers.reject(error);
  }

  #compress(bytes: Uint8Array, compression: Compression): void {
    compression
      .compress(bytes)
      .then((compressed) => {
        if (!this.isSettled) this.#begin(compressed, true);
      })
      .catch((error: unknown) => this.fail(toConnectError(error)));
  }

  #begin(bytes: Uint8Array, isCompressed: boolean): void {
    const { protocol, plan, scope } = this;
    const { headers: source } = this.#init;
    const isGet = plan.isGet && protocol.query !== undefined;
    const kind: RequestKind = { isGet, isCompressed, hasTimeout: scope.timeoutMs !== undefined };
    const isSeen = source.kind === "seen";
    const headers = isSeen
      ? protocol.sentHeaders(source.headers, kind, source.timeout)
      : protocol.headers(source.headers, kind);
    const path = isSeen && source.url !== plan.url ? pathOfGiven(source.url) : plan.path;
    if (isGet) {
      const contentType = isSeen ? (source.headers.get("content-type") ?? "") : undefined;
      this.start({ method: "GET", path: path + protocol.query?.(bytes, isCompressed, contentType), headers });
      return;
    }
    this.#body = protocol.isEnveloped ? encodeEnvelope(isCompressed ? compressedFlag : 0, bytes) : bytes;
    this.start({ method: "POST", path, headers });
  }

  #receiveRaw(buffer: BodyBuffer, chunk: Uint8Array): void {
    const bytes = buffer.byteLength + chunk.byteLength;
    const length = this.#response?.length;
    if (length === undefined) checkReadLimit(this.context.options.readMaxBytes, bytes, false);
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
    const { readMaxBytes } = this.context.options;
    const inflate = (data: Uint8Array): Promise<Uint8Array> => compression.decompress(data, readMaxBytes);
    const finish = async (): Promise<void> => {
      const data = this.#isCompressed && this.#data !== undefined ? await inflate(this.#data) : this.#data;
      if (this.#compressedEnd !== undefined) response.endEnvelope(await inflate(this.#compressedEnd));
      if (!this.isSettled) this.#finish(response, data);
    };
    finish().catch((error: unknown) => this.fail(toConnectError(error)));
  }

  #finish(response: Response, data: Uint8Array | undefined): void {
    const failure = data === undefined ? undefined : response.errorOf?.(data);
    if (failure !== undefined) throw failure;
    const message = data === undefined ? undefined : this.plan.serialization.parse(data);
    this.#reader?.end();
    response.end(this.trailer);
    if (message === undefined) throw new ConnectError("protocol error: missing output message", Code.Internal);
    this.succeed();
    const { plan, toResponse } = this.#init;
    this.#settlers.resolve(toResponse(plan.method, message, response.header, response.trailer));
  }
}

function unkept(promised: number, received: number): ConnectError {
  return new ConnectError(`protocol error: promised ${promised} bytes, received ${received}`, Code.InvalidArgument);
}
