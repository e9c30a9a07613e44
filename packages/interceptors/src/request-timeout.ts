const grpcHeader = "grpc-timeout";
const connectHeader = "connect-timeout-ms";

/** What the units of `grpc-timeout` are in milliseconds. */
const units: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 1e-3],
  ["n", 1e-6],
]);

/**
 * The timeout that a request states, in milliseconds, of gRPC, gRPC-Web or Connect; `undefined` where it states none,
 * or one that its protocol does not know. (gRPC over HTTP/2, "Timeout"; Connect protocol, "Unary-Request".)
 */
export function requestTimeoutMs(header: Headers): number | undefined {
  if (isGrpc(header)) {
    const match = /^(\d{1,8})([HMSmun])$/.exec(header.get(grpcHeader) ?? "");
    return match === null ? undefined : Number(match[1]) * (units.get(match[2] ?? "") ?? 0);
  }
  const value = header.get(connectHeader);
  return value !== null && /^\d{1,10}$/.test(value) ? Number(value) : undefined;
}

/** States a timeout, in whole milliseconds, rounded up, and as long as the protocol can say at most. */
export function setRequestTimeout(header: Headers, timeoutMs: number): void {
  const ms = Math.max(Math.ceil(timeoutMs), 1);
  if (!isGrpc(header)) header.set(connectHeader, String(Math.min(ms, 9_999_999_999)));
  else if (ms <= 99_999_999) header.set(grpcHeader, `${ms}m`);
  else header.set(grpcHeader, `${Math.min(Math.ceil(ms / 1_000), 99_999_999)}S`);
}

/** Connect's GET has no content type on a server. */
function isGrpc(header: Headers): boolean {
  return header.get("content-type")?.startsWith("application/grpc") ?? false;
}
