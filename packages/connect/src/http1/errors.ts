import { messageOf, StatusCode, StatusError } from "@evenkeel/core";

/**
 * What ended a request that was sent. Trouble with the connection is Unavailable; a response that is no HTTP/1.1 is
 * Internal, as the server would send it again; one whose headers are over node's limit is ResourceExhausted.
 */
export function requestError(label: string, error: Error | undefined): StatusError {
  const code = error !== undefined && "code" in error ? String(error.code) : "";
  const text = messageOf(error ?? "the request ended without a response");
  const options = error === undefined ? undefined : { cause: error };
  if (code === "HPE_HEADER_OVERFLOW") {
    const message = `${label}: response headers over the limit of nodeOptions.maxHeaderSize`;
    return new StatusError(StatusCode.resourceExhausted, message, options);
  }
  if (code.startsWith("HPE_")) {
    const message = `${label}: malformed response: ${text}: does it speak HTTP/1.1 on this port?`;
    return new StatusError(StatusCode.internal, message, options);
  }
  // node's words for FIN
  const seen = text === "socket hang up" || text === "aborted" ? "the peer closed the connection" : text;
  return new StatusError(StatusCode.unavailable, `${label}: ${seen}`, options);
}

/** Whether node will not send such headers, or such a path, on any connection. */
export function isMalformed(error: unknown): boolean {
  return error instanceof Error && "code" in error && malformed.has(String(error.code));
}

const malformed: ReadonlySet<string> = new Set([
  "ERR_HTTP_INVALID_HEADER_VALUE",
  "ERR_HTTP_TRAILER_INVALID",
  "ERR_INVALID_CHAR",
  "ERR_INVALID_HTTP_TOKEN",
  "ERR_UNESCAPED_CHARACTERS",
]);
