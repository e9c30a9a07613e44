import { StatusCode, StatusError } from "@evenkeel/core";

/** The error of an RPC that a connection did not carry to its end, or could not take. */
export function unavailable(message: string, cause?: unknown): StatusError {
  return new StatusError(StatusCode.unavailable, message, cause === undefined ? undefined : { cause });
}
