import { StatusCode, StatusError } from "@evenkeel/core";

export function unavailable(message: string, cause?: unknown): StatusError {
  return new StatusError(StatusCode.unavailable, message, cause === undefined ? undefined : { cause });
}
