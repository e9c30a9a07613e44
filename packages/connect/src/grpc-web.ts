import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import { EnvelopedProtocol } from "./enveloped-protocol.ts";
import { checkTrailers, decodeMessage, statusError, statusHeader } from "./grpc-status.ts";
import { hasHeader, headerValue, noHeaders, toHeaders } from "./headers.ts";
import { codeOfHttpStatus } from "./http-status.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Response } from "./protocol.ts";
import { ProtocolHeaders } from "./request-headers.ts";
import { acceptHeader, responseEncoding } from "./response-encoding.ts";
import { grpcTimeout } from "./timeouts.ts";

/** The flag of the envelope that carries the trailers. */
const trailerFlag = 0x80;

/** gRPC-Web, whose trailers are in the body. */
export class GrpcWeb extends EnvelopedProtocol {
  readonly timeoutHeader = "grpc-timeout";
  readonly #accepted: readonly Compression[];
  readonly #isStream: boolean;

  constructor(options: ProtocolOptions, isStream: boolean) {
    const { sendCompression, acceptCompression, useBinaryFormat } = options;
    super(
      new ProtocolHeaders({
        headers: [
          ["content-type", `application/grpc-web+${useBinaryFormat ? "proto" : "json"}`],
          ["x-grpc-web", "1"],
          ...(sendCompression === null ? [] : [["grpc-encoding", sendCompression.name] as const]),
          ...acceptHeader("grpc-accept-encoding", acceptCompression),
        ],
        agentHeaders: ["user-agent", "x-user-agent"],
      }),
    );
    this.#accepted = acceptCompression;
    this.#isStream = isStream;
  }

  timeoutValue(ms: number): string {
    return grpcTimeout(ms);
  }

  respond(status: number, headers: HeaderList): Response {
    if (status < 200 || status >= 300) {
      const message = decodeMessage(headerValue(headers, "grpc-message") ?? `HTTP ${status}`);
      throw new ConnectError(message, codeOfHttpStatus(status), toHeaders(headers));
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
  readonly endFlag = trailerFlag;
  readonly #error: ConnectError | undefined;
  #hasMessage = false;
  #hasTrailer = false;

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

  endEnvelope(data: Uint8Array): void {
    if (this.#hasTrailer) throw new ConnectError("protocol error: received extra trailer", Code.Unimplemented);
    this.#hasTrailer = true;
    this.trailer = parseTrailer(data);
  }

  end(): void {
    if (!this.#hasTrailer) {
      if (this.#error !== undefined) throw this.#error;
      const code = hasHeader(this.header, statusHeader) ? Code.Unimplemented : Code.Unknown;
      throw new ConnectError("protocol error: missing trailer", code);
    }
    checkTrailers(this.trailer, this.header);
    if (this.#hasMessage) return;
    const code = hasHeader(this.trailer, statusHeader) ? Code.Unimplemented : Code.Unknown;
    throw new ConnectError("protocol error: missing output message for unary method", code);
  }
}

class StreamResponse implements Response {
  readonly header: HeaderList;
  trailer: HeaderList = noHeaders;
  readonly compression: Compression | undefined;
  readonly endFlag = trailerFlag;
  /** Whether the status is in the headers, and nothing follows. */
  readonly #isHeadersOnly: boolean;
  #hasTrailer = false;

  constructor(header: HeaderList, compression: Compression | undefined) {
    this.header = header;
    this.compression = compression;
    this.#isHeadersOnly = hasHeader(header, statusHeader);
  }

  message(): void {
    this.#expectBody();
    if (!this.#hasTrailer) return;
    throw new ConnectError("protocol error: received extra message after trailer", Code.InvalidArgument);
  }

  endEnvelope(data: Uint8Array): void {
    this.#expectBody();
    if (this.#hasTrailer) throw new ConnectError("protocol error: received extra trailer", Code.InvalidArgument);
    this.#hasTrailer = true;
    this.trailer = parseTrailer(data);
    checkTrailers(this.trailer, this.header);
  }

  end(): void {
    if (this.#hasTrailer) return;
    if (this.#isHeadersOnly) {
      this.trailer = this.header;
      return;
    }
    throw new ConnectError("protocol error: missing trailer", Code.Internal);
  }

  #expectBody(): void {
    if (!this.#isHeadersOnly) return;
    throw new ConnectError("protocol error: extra data for trailers-only", Code.InvalidArgument);
  }
}

/** Lines of `name: value`. Throws Unknown for what is no header field. */
function parseTrailer(data: Uint8Array): HeaderList {
  const headers = new Headers();
  for (const line of new TextDecoder().decode(data).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    try {
      headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
    } catch (error) {
      throw ConnectError.from(error);
    }
  }
  return [...headers];
}
