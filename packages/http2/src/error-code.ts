import { StatusCode } from "@evenkeel/core";

/** Error codes (RFC 9113, section 7). */
export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** Names of the error codes in their order, with the status gRPC gives a stream reset by them. */
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
