import type { HeaderList } from "@evenkeel/core";
import type { Protocol, RequestKind, Response, Timeout } from "./protocol.ts";
import type { ProtocolHeaders, RequestHeaders } from "./request-headers.ts";

/** What protocols have in common whose messages are in envelopes: all of their requests have the same headers. */
export abstract class EnvelopedProtocol implements Protocol {
  readonly isEnveloped = true;
  abstract readonly timeoutHeader: string;
  readonly #headers: ProtocolHeaders;

  constructor(headers: ProtocolHeaders) {
    this.#headers = headers;
  }

  abstract timeoutValue(ms: number): string;
  abstract respond(status: number, headers: HeaderList): Response;

  headers(given: HeaderList, { hasTimeout }: RequestKind): RequestHeaders {
    return this.#headers.of(given, hasTimeout ? this.timeoutHeader : undefined);
  }

  visibleHeaders(init: HeadersInit | undefined, timeout: Timeout): Headers {
    return this.#headers.visible(init, timeout);
  }

  sentHeaders(headers: Headers, _request: RequestKind, timeout: Timeout): RequestHeaders {
    return this.#headers.from(headers, timeout);
  }
}
