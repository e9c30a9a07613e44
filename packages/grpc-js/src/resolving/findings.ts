import { messageOf, type ResolverUpdate, usableEndpoints } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";
import { toGrpcEndpoint } from "./endpoints.ts";

/** What became of a target so far. */
export type Findings =
  | { readonly kind: "none" }
  /** `endpoints` are the usable ones of `size`; `error`: why a newer set could not be learnt. */
  | {
      readonly kind: "set";
      readonly endpoints: experimental.Endpoint[];
      readonly size: number;
      readonly error: Error | undefined;
    }
  /** There is no set, and none of before counts any more. */
  | { readonly kind: "failed"; readonly error: Error };

/** An error after a set leaves the set. */
export function findingsAfter(before: Findings, update: ResolverUpdate): Findings {
  if (update.kind === "endpoints") {
    const endpoints = usableEndpoints(update.endpoints).map(toGrpcEndpoint);
    return { kind: "set", endpoints, size: update.endpoints.length, error: undefined };
  }
  if (update.kind === "error" && before.kind === "set") return { ...before, error: update.error };
  return { kind: "failed", error: update.error };
}

/** What RPCs that find no endpoint are told, as core's channels say it; empty where all is well. */
export function noteOf(target: string, findings: Findings): string {
  if (findings.kind === "none") return "";
  if (findings.kind === "failed") return `${target}: its endpoints could not be learnt: ${messageOf(findings.error)}`;
  const { endpoints, size, error } = findings;
  const failure = error === undefined ? "" : `the resolver fails: ${messageOf(error)}`;
  if (endpoints.length > 0) return failure === "" ? "" : `${target}: ${failure}`;
  const found = size === 0 ? "it has no endpoints" : `none of its ${size} endpoints is ready`;
  return `${target}: ${found}${failure === "" ? "" : ` (and ${failure})`}`;
}
