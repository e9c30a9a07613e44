/** The value of `grpc-timeout`: at most 8 digits and a unit, rounded up. (gRPC over HTTP/2, "Timeout".) */
export function grpcTimeout(ms: number): string {
  if (ms <= 99_999_999) return `${Math.ceil(ms)}m`;
  const seconds = Math.ceil(ms / 1_000);
  if (seconds <= 99_999_999) return `${seconds}S`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes <= 99_999_999) return `${minutes}M`;
  return `${Math.min(Math.ceil(minutes / 60), 99_999_999)}H`;
}

/** The value of `connect-timeout-ms`: at most 10 digits, rounded up. (Connect protocol, "Unary-Request".) */
export function connectTimeout(ms: number): string {
  return String(Math.min(Math.ceil(ms), 9_999_999_999));
}

/** The timeout of a call: what it gives, else the default. One that is not above 0 means none, as in Connect. */
export function effectiveTimeout(
  timeoutMs: number | undefined,
  defaultTimeoutMs: number | undefined,
): number | undefined {
  const ms = timeoutMs === undefined ? defaultTimeoutMs : timeoutMs;
  return ms !== undefined && ms > 0 && ms < Number.POSITIVE_INFINITY ? ms : undefined;
}
