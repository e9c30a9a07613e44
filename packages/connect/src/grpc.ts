import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import { EnvelopedProtocol } from "./enveloped-protocol.ts";
import { checkTrailers, statusError, statusHeader } from "./grpc-status.ts";
import { hasHeader, headerValue, noHeaders, toHeaders } from "./headers.ts";
import { codeOfHttpStatus } from "./http-status.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Response } from "./protocol.ts";
import { ProtocolHeaders } from "./request-headers.ts";
import { acceptHeader, responseEncoding } from "./response-encoding.ts";
import { grpcTimeout } from "./timeouts.ts";

const contentType = /^application\/grpc(?:\+(?:(json)(?:; ?charset=utf-?8)?|proto))?$/i;

/** gRPC over HTTP/2. */
export class Grpc extends EnvelopedProtocol {
  readonly timeoutHeader = "grpc-timeout";
  readonly #accepted: readonly Compression[];
  readonly #isStream: boolean;

  constructor(options: ProtocolOptions, isStream: boolean) {
    const { sendCompression, acceptCompression, useBinaryFormat } = options;
    super(
      new ProtocolHeaders({
        headers: [
          ["te", "trailers"],
          ["content-type", `application/grpc+${useBinaryFormat ? "proto" : "json"}`],
          ...(sendCompression === null ? [] : [["grpc-encoding", sendCompression.name] as const]),
          ...acceptHeader("grpc-accept-encoding", acceptCompression),
        ],
      }),
    );
    this.#accepted = acceptCompression;
    this.#isStream = isStream;
  }

  timeoutValue(ms: number): string {
    return grpcTimeout(ms);
  }

  respond(status: number, headers: HeaderList): Response {
    if (status !== 200) throw new ConnectError(`HTTP ${status}`, codeOfHttpStatus(status), toHeaders(headers));
    const type = headerValue(headers, "content-type");
    if (type === undefined || !contentType.test(type)) {
      throw new ConnectError(`unsupported content type ${type ?? null}`, Code.Unknown);
    }
    const error = statusError(headers);
    const compression = responseEncoding(headers, "grpc-encoding", this.#accepted);
    if (!this.#isStream) return new UnaryResponse(headers, compression, error);
    if (error !== undefined) throw error;
    return new StreamResponse(headers, compression);
  }
}

class UnaryResponse implements Response {
  readonly header: HeaderList;
  trailer: HeaderList = noHeaders;
  readonly compression: Compression | undefined;
  readonly endFlag = 0;
  /** What the headers say, of a response without a body. */
  readonly #error: ConnectError | undefined;
  #hasMessage = false;

  constructor(header: HeaderList, compression: Compression | undefined, error: ConnectError | undefined) {
    this.header = header;
    this.compression = compression;
    this.#error = error;
  }

  message(): void {
    if (this.#hasMessage) {
      throw new ConnectError("protocol error: received extra output message for unary method", Code.Unimplemented);
    }
    this.#hasMessage = true;
  }

  endEnvelope(): void {}

  end(trailers: HeaderList): void {
    this.trailer = trailers;
    checkTrailers(trailers, this.header);
    if (!this.#hasMessage) {
      if (this.#error !== undefined) throw this.#error;
      const code = hasHeader(trailers, statusHeader) ? Code.Unimplemented : Code.Unknown;
      throw new ConnectError("protocol error: missing output message for unary method", code);
    }
    if (this.#error === undefined) return;
    const message = "protocol error: received output message for unary method with error status";
    throw new ConnectError(message, Code.Unknown);
  }
}

class StreamResponse implements Response {
  readonly header: HeaderList;
  trailer: HeaderList = noHeaders;
  readonly compression: Compression | undefined;
  readonly endFlag = 0;

  constructor(header: HeaderList, compression: Compression | undefined) {
    this.header = header;
    this.compression = compression;
  }

  message(): void {}

  endEnvelope(): void {}

  end(trailers: HeaderList): void {
    // a status in the headers means that no trailers follow: the headers are what they would have said
    const isHeadersOnly = hasHeader(this.header, statusHeader);
    this.trailer = isHeadersOnly ? this.header : trailers;
    if (!isHeadersOnly) checkTrailers(trailers, this.header);
  }
}
