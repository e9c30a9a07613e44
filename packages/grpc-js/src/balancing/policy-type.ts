import type { Policy } from "@evenkeel/core";

/** A policy of ours, as a service config names it. */
export interface PolicyType {
  /** What it is called in `loadBalancingConfig`. */
  readonly names: readonly [string, ...string[]];
  /** Makes it from its JSON. Throws a `TypeError` or `RangeError` that names the field. */
  parse(json: unknown): Policy;
}
