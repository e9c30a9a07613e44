import type { ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderList } from "@evenkeel/core";
import type { RequestHeaders } from "./request-headers.ts";

/** A protocol, for unary or for streaming RPCs of one transport. Holds nothing of a single RPC. */
export interface Protocol {
  /** Whether messages are in envelopes; if not, the body is the message. */
  readonly isEnveloped: boolean;
  /** The header that carries the timeout, and its value for so many milliseconds. */
  readonly timeoutHeader: string;
  timeoutValue(ms: number): string;
  /** The headers of a request, with those that its caller gives. */
  headers(given: HeaderList, request: RequestKind): RequestHeaders;
  /** The headers that interceptors see. Throws the `TypeError` of `Headers`. */
  visibleHeaders(init: HeadersInit | undefined, timeout: Timeout): Headers;
  /** What of them is sent. */
  sentHeaders(headers: Headers, request: RequestKind, timeout: Timeout): RequestHeaders;
  /** What follows the path of a request without a body: GET, which interceptors may give another content type. */
  query?(message: Uint8Array, isCompressed: boolean, contentType: string | undefined): string;
  /** Judges the head of a response. Throws the `ConnectError` that it ends the RPC with. */
  respond(status: number, headers: HeaderList): Response;
}

export interface RequestKind {
  readonly isGet: boolean;
  /** Whether a body without envelopes is compressed. */
  readonly isCompressed: boolean;
  readonly hasTimeout: boolean;
}

/** The timeout header as interceptors see it, where the RPC has one. */
export type Timeout = readonly [name: string, value: string] | undefined;

/** The response of one attempt, as its parts arrive. The methods throw the `ConnectError` that it ends the RPC with. */
export interface Response {
  readonly header: HeaderList;
  /** Empty before `end`, or `endEnvelope`. */
  readonly trailer: HeaderList;
  /** How messages may be compressed. */
  readonly compression: Compression | undefined;
  /** How long a body without envelopes is, where its headers say so. */
  readonly length?: number | undefined;
  /** The flag of the envelope that ends the messages; 0 where it is HTTP trailers that do. */
  readonly endFlag: number;
  /** A message came. */
  message(): void;
  /** The envelope that ends the messages came. */
  endEnvelope(data: Uint8Array): void;
  /** END_STREAM came. */
  end(trailers: HeaderList): void;
  /** What the only message of a body without envelopes stands for, where that is an error. */
  errorOf?(body: Uint8Array): ConnectError | undefined;
}
