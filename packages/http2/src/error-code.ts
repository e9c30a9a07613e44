import { StatusCode } from "@evenkeel/core";

/** Names of the error codes in their order (RFC 9113, section 7), with the status gRPC gives a stream reset by them. */
const errorCodes: readonly (readonly [name: string, status: StatusCode])[] = [
  // a reset without a reason in the middle of a response: what it did is not known, as when the connection is lost
  ["NO_ERROR", StatusCode.unavailable],
  ["PROTOCOL_ERROR", StatusCode.internal],
  ["INTERNAL_ERROR", StatusCode.internal],
  ["FLOW_CONTROL_ERROR", StatusCode.internal],
  ["SETTINGS_TIMEOUT", StatusCode.internal],
  ["STREAM_CLOSED", StatusCode.unknown],
  ["FRAME_SIZE_ERROR", StatusCode.internal],
  ["REFUSED_STREAM", StatusCode.unavailable],
  ["CANCEL", StatusCode.canceled],
  ["COMPRESSION_ERROR", StatusCode.internal],
  ["CONNECT_ERROR", StatusCode.internal],
  ["ENHANCE_YOUR_CALM", StatusCode.resourceExhausted],
  ["INADEQUATE_SECURITY", StatusCode.permissionDenied],
  ["HTTP_1_1_REQUIRED", StatusCode.unknown],
];

/** `REFUSED_STREAM`, or `error code 99` for one that is not known. */
export function errorCodeName(errorCode: number): string {
  return errorCodes[errorCode]?.[0] ?? `error code ${errorCode}`;
}

/** The status of a stream that was reset with this code (gRPC over HTTP/2, "Errors"). */
export function statusOfErrorCode(errorCode: number): StatusCode {
  return errorCodes[errorCode]?.[1] ?? StatusCode.unknown;
}
