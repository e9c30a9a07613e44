import { Code, ConnectError } from "@connectrpc/connect";
import { StatusError, type StreamEnd } from "@evenkeel/core";

/** Turns whatever ended an RPC into a `ConnectError` with the same text; core's codes are Connect's. */
export function toConnectError(error: unknown, defaultCode: Code = Code.Internal): ConnectError {
  if (!(error instanceof StatusError)) return ConnectError.from(error, defaultCode);
  return new ConnectError(error.message, error.code as number, undefined, undefined, error.cause ?? error);
}

/** How a stream ended without an answer. */
export type BrokenEnd = Extract<StreamEnd, { kind: "broken" }>;

/** The error of a stream that ended without an answer: what was seen, and what is known of the request. */
export function brokenError(end: BrokenEnd): ConnectError {
  if (!(end.error instanceof StatusError)) return toConnectError(end.error, Code.Unavailable);
  const known = {
    unsent: "the request was not sent",
    unprocessed: "the request was not processed",
    ambiguous: "the request was sent, and it is not known whether it was processed",
  }[end.fate];
  return toConnectError(new StatusError(end.error.code, `${end.error.message}: ${known}`, { cause: end.error }));
}

/** The error of a response whose reader does not wait for its end. */
export function leftError(): ConnectError {
  return new ConnectError("the response was left before its end", Code.Canceled);
}

/** The error of data that is compressed, in a response that does not say how. */
export function cannotDecompress(): ConnectError {
  return new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
}
