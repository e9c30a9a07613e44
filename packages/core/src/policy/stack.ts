import { type SlowStartOptions, slowStart } from "../load/slow-start.ts";
import { typeOption } from "../options.ts";
import type { OutlierDetectionOptions } from "../outlier/options.ts";
import { outlierDetection } from "../outlier/outlier-detection.ts";
import { leastRequest } from "./least-request.ts";
import { locality } from "./locality.ts";
import type { LocalityOptions } from "./locality-options.ts";
import type { Policy } from "./policy.ts";

/** What a channel balances by. */
export interface BalancingOptions {
  /** Which endpoint an RPC takes. Default `leastRequest()`. */
  readonly policy?: Policy;
  /** Prefers endpoints of the client's zone. Default: all are alike. */
  readonly locality?: LocalityOptions;
  /** Gives endpoints that join less at first. Default: their whole share at once. */
  readonly slowStart?: SlowStartOptions;
  /** Leaves endpoints that fail more than others out for a while (gRFC A50). Default: none is left out. */
  readonly outlierDetection?: OutlierDetectionOptions;
}

/** The policy inside of what decorates it. Throws a `TypeError` or `RangeError` that names the option. */
export function stackPolicies(options: BalancingOptions): Policy {
  let policy = typeOption("policy", options.policy === undefined ? leastRequest() : options.policy, "function");
  if (options.locality !== undefined) policy = locality(options.locality, policy);
  if (options.slowStart !== undefined) policy = slowStart(options.slowStart, policy);
  if (options.outlierDetection !== undefined) policy = outlierDetection(options.outlierDetection, policy);
  return policy;
}
