import { StatusCode } from "../errors.ts";
import type { Outcome } from "./outcome.ts";

/** Codes that speak against the server: gRPC's that Envoy maps to 5xx, and its 429. */
const serverFaults: ReadonlySet<StatusCode> = new Set([
  StatusCode.unknown,
  StatusCode.deadlineExceeded,
  StatusCode.resourceExhausted,
  StatusCode.internal,
  StatusCode.unavailable,
  StatusCode.dataLoss,
]);

/**
 * Whether an outcome speaks against the endpoint: not where the caller erred or gave up, and not where the attempt never
 * reached it, or its connection was told to end.
 */
export function isFailure({ code, fate, isRefused = false }: Outcome): boolean {
  return serverFaults.has(code) && (fate === "ambiguous" || fate === "answered" || isRefused);
}
