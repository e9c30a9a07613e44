import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { type HeaderList, messageOf } from "@evenkeel/core";
import { isObject, readError } from "./connect-error.ts";
import { parseContentType, protocolVersion, timeoutHeader } from "./connect-head.ts";
import { EnvelopedProtocol } from "./enveloped-protocol.ts";
import { headerValue, noHeaders, toHeaders } from "./headers.ts";
import { codeOfHttpStatus } from "./http-status.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Response } from "./protocol.ts";
import { ProtocolHeaders } from "./request-headers.ts";
import { acceptHeader, responseEncoding } from "./response-encoding.ts";
import { connectTimeout } from "./timeouts.ts";

/** The flag of the envelope with the EndStreamResponse. */
const endStreamFlag = 0b10;

/** Streaming RPCs of the Connect protocol. */
export class ConnectStream extends EnvelopedProtocol {
  readonly timeoutHeader: string = timeoutHeader;
  readonly #accepted: readonly Compression[];
  readonly #isBinary: boolean;

  constructor(options: ProtocolOptions) {
    const { sendCompression, acceptCompression, useBinaryFormat } = options;
    super(
      new ProtocolHeaders({
        headers: [
          ["content-type", `application/connect+${useBinaryFormat ? "proto" : "json"}`],
          protocolVersion,
          ...(sendCompression === null ? [] : [["connect-content-encoding", sendCompression.name] as const]),
          ...acceptHeader("connect-accept-encoding", acceptCompression),
        ],
      }),
    );
    this.#accepted = acceptCompression;
    this.#isBinary = useBinaryFormat;
  }

  timeoutValue(ms: number): string {
    return connectTimeout(ms);
  }

  respond(status: number, headers: HeaderList): Response {
    const compression = responseEncoding(headers, "connect-content-encoding", this.#accepted);
    if (status !== 200) throw new ConnectError(`HTTP ${status}`, codeOfHttpStatus(status), toHeaders(headers));
    const type = headerValue(headers, "content-type");
    const parsed = parseContentType(type);
    if (parsed?.isStream === true && parsed.isBinary === this.#isBinary)
      return new StreamResponse(headers, compression);
    const code = parsed === undefined ? Code.Unknown : Code.Internal;
    throw new ConnectError(`unsupported content type ${type ?? null}`, code, toHeaders(headers));
  }
}

class StreamResponse implements Response {
  readonly header: HeaderList;
  trailer: HeaderList = noHeaders;
  readonly compression: Compression | undefined;
  readonly endFlag = endStreamFlag;
  #hasEnded = false;

  constructor(header: HeaderList, compression: Compression | undefined) {
    this.header = header;
    this.compression = compression;
  }

  message(): void {
    if (!this.#hasEnded) return;
    throw new ConnectError("protocol error: received extra message after EndStreamResponse", Code.InvalidArgument);
  }

  endEnvelope(data: Uint8Array): void {
    if (this.#hasEnded) {
      throw new ConnectError("protocol error: received extra EndStreamResponse", Code.InvalidArgument);
    }
    this.#hasEnded = true;
    const { trailer, error } = parseEndStream(data, this.header);
    this.trailer = trailer;
    if (error !== undefined) throw error;
  }

  end(): void {
    if (this.#hasEnded) return;
    throw new ConnectError("protocol error: missing EndStreamResponse", Code.Internal);
  }
}

/** An EndStreamResponse. Throws InvalidArgument when it is malformed. */
function parseEndStream(data: Uint8Array, header: HeaderList): EndStream {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(data));
  } catch {}
  if (!isObject(json)) throw malformed(invalid);
  const { metadata = {}, error } = json;
  const trailer = readMetadata(metadata);
  if (error === undefined || error === null) return { trailer, error: undefined };
  return { trailer, error: readError(error, Code.Unknown, trailer, header) ?? malformed(invalid) };
}

interface EndStream {
  readonly trailer: HeaderList;
  readonly error: ConnectError | undefined;
}

function readMetadata(metadata: unknown): HeaderList {
  if (!isObject(metadata)) throw malformed(invalid);
  const headers = new Headers();
  for (const [name, values] of Object.entries(metadata)) {
    if (!Array.isArray(values) || !values.every((value) => typeof value === "string")) throw malformed(invalid);
    try {
      for (const value of values) headers.append(name, value);
    } catch (error) {
      throw malformed(messageOf(error));
    }
  }
  return [...headers];
}

/** What Connect says of it. */
const invalid = "[unknown] invalid end stream";

function malformed(what: string): ConnectError {
  return new ConnectError(`failed to parse EndStreamResponse: ${what}`, Code.InvalidArgument);
}
