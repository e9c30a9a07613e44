import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import { errorFromBytes } from "./connect-error.ts";
import { parseContentType, protocolVersion, timeoutHeader } from "./connect-head.ts";
import { headerValue, noHeaders, toHeaders } from "./headers.ts";
import { codeOfHttpStatus } from "./http-status.ts";
import { checkReadLimit } from "./limits.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Protocol, RequestKind, Response, Timeout } from "./protocol.ts";
import { ProtocolHeaders, type RequestHeaders } from "./request-headers.ts";
import { acceptHeader, responseEncoding } from "./response-encoding.ts";
import { connectTimeout } from "./timeouts.ts";

/** Unary RPCs of the Connect protocol: plain HTTP, and errors as JSON. */
export class ConnectUnary implements Protocol {
  readonly isEnveloped = false;
  readonly timeoutHeader: string = timeoutHeader;
  readonly #plain: ProtocolHeaders;
  readonly #compressed: ProtocolHeaders;
  readonly #get: ProtocolHeaders;
  readonly #options: ProtocolOptions;
  readonly #contentType: string;

  constructor(options: ProtocolOptions) {
    const { sendCompression, acceptCompression, useBinaryFormat } = options;
    this.#options = options;
    this.#contentType = `application/${useBinaryFormat ? "proto" : "json"}`;
    const headers: HeaderList = [
      ["content-type", this.#contentType],
      protocolVersion,
      ...acceptHeader("accept-encoding", acceptCompression),
    ];
    this.#plain = new ProtocolHeaders({ headers, unsent: ["content-encoding"] });
    this.#compressed =
      sendCompression === null
        ? this.#plain
        : new ProtocolHeaders({ headers: [...headers, ["content-encoding", sendCompression.name]] });
    this.#get = new ProtocolHeaders({
      headers: [],
      unsent: ["content-type", protocolVersion[0], "content-length", "content-encoding", "accept-encoding"],
    });
  }

  timeoutValue(ms: number): string {
    return connectTimeout(ms);
  }

  headers(given: HeaderList, request: RequestKind): RequestHeaders {
    return this.#headersOf(request).of(given, request.hasTimeout ? timeoutHeader : undefined);
  }

  visibleHeaders(init: HeadersInit | undefined, timeout: Timeout): Headers {
    return this.#compressed.visible(init, timeout);
  }

  sentHeaders(headers: Headers, request: RequestKind, timeout: Timeout): RequestHeaders {
    return this.#headersOf(request).from(headers, timeout);
  }

  /** "Unary-Get-Request" of the protocol's specification. */
  query(message: Uint8Array, isCompressed: boolean, contentType: string = this.#contentType): string {
    const { sendCompression, useBinaryFormat } = this.#options;
    const isBase64 = useBinaryFormat || isCompressed;
    const parts = ["connect=v1"];
    if (isBase64) parts.push("base64=1");
    if (isCompressed && sendCompression !== null) parts.push(`compression=${encodeURIComponent(sendCompression.name)}`);
    if (contentType.startsWith(typePrefix)) {
      parts.push(`encoding=${encodeURIComponent(contentType.slice(typePrefix.length))}`);
    }
    const text = isBase64 ? base64Encode(message, "url") : encodeURIComponent(new TextDecoder().decode(message));
    parts.push(`message=${text}`);
    return `?${parts.join("&")}`;
  }

  respond(status: number, headers: HeaderList): Response {
    const { acceptCompression, readMaxBytes, useBinaryFormat } = this.#options;
    const compression = responseEncoding(headers, "content-encoding", acceptCompression);
    const type = headerValue(headers, "content-type");
    const parsed = parseContentType(type);
    if (status !== 200 && parsed?.isBinary !== false) {
      throw new ConnectError(`HTTP ${status}`, codeOfHttpStatus(status), toHeaders(headers));
    }
    if (status === 200 && (parsed?.isStream !== false || parsed.isBinary !== useBinaryFormat)) {
      const code = parsed === undefined ? Code.Unknown : Code.Internal;
      throw new ConnectError(`unsupported content type ${type ?? null}`, code, toHeaders(headers));
    }
    const length = contentLength(headers);
    if (length !== undefined) checkReadLimit(readMaxBytes, length, true);
    return new UnaryResponse(status, headers, compression, length);
  }

  #headersOf({ isGet, isCompressed }: RequestKind): ProtocolHeaders {
    return isGet ? this.#get : isCompressed ? this.#compressed : this.#plain;
  }
}

const typePrefix = "application/";

function contentLength(headers: HeaderList): number | undefined {
  const text = headerValue(headers, "content-length");
  const length = text === undefined ? Number.NaN : Number.parseInt(text, 10);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

class UnaryResponse implements Response {
  readonly header: HeaderList;
  readonly trailer: HeaderList;
  readonly compression: Compression | undefined;
  readonly endFlag = 0;
  /** What `content-length` says. */
  readonly length: number | undefined;
  readonly #status: number;
  readonly #headers: HeaderList;

  constructor(status: number, headers: HeaderList, compression: Compression | undefined, length: number | undefined) {
    const hasTrailer = headers.some(isTrailer);
    this.header = hasTrailer ? headers.filter((header) => !isTrailer(header)) : headers;
    this.trailer = hasTrailer
      ? headers.filter(isTrailer).map(([name, value]) => [name.slice(trailerPrefix.length), value])
      : noHeaders;
    this.compression = compression;
    this.length = length;
    this.#status = status;
    this.#headers = headers;
  }

  message(): void {}

  endEnvelope(): void {}

  end(): void {}

  errorOf(body: Uint8Array): ConnectError | undefined {
    if (this.#status === 200) return undefined;
    const code = codeOfHttpStatus(this.#status);
    const fallback = { message: `HTTP ${this.#status}`, code, headers: this.#headers };
    return errorFromBytes(body, fallback, this.header, this.trailer);
  }
}

const trailerPrefix = "trailer-";

function isTrailer([name]: readonly [name: string, value: string]): boolean {
  return name.startsWith(trailerPrefix);
}
