import type { DescMethodUnary, Message } from "@bufbuild/protobuf";
import type { ConnectError, UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import { Call, type CallInit } from "./call.ts";
import { compressedFlag, encodeEnvelope } from "./envelope.ts";
import { toConnectError } from "./errors.ts";
import { type MethodPlan, pathOfGiven } from "./method-plan.ts";
import type { RequestKind, Response, Timeout } from "./protocol.ts";
import { UnaryAttempt } from "./unary-attempt.ts";

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
export class UnaryCall extends Call {
  readonly #init: UnaryCallInit;
  readonly #settlers: PromiseWithResolvers<UnaryResponse> = Promise.withResolvers<UnaryResponse>();
  /** Kept for further attempts. Undefined until it is serialised, and for a GET. */
  #body: Uint8Array | undefined;

  constructor(init: UnaryCallInit) {
    super(init);
    this.#init = init;
  }

  protected readonly isReplayable = true;
  protected readonly isAnswering = false;

  get message(): Message {
    return this.#init.message;
  }

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

  // what attempts need

  get body(): Uint8Array | undefined {
    return this.#body;
  }

  parse(data: Uint8Array): Message {
    return this.plan.serialization.parse(data);
  }

  brought(message: Message, response: Response, attempt: UnaryAttempt): void {
    this.succeed(attempt);
    const { plan, toResponse } = this.#init;
    this.#settlers.resolve(toResponse(plan.method, message, response.header, response.trailer));
  }

  protected createAttempt(previous: number): UnaryAttempt {
    return new UnaryAttempt(this, previous);
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
}
