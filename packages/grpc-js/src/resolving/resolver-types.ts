import { checkKeys, type DnsOptions } from "@evenkeel/core";
import { dnsTarget } from "./dns-target.ts";
import { type KubernetesTargetOptions, kubernetesTarget } from "./kubernetes-target.ts";
import { createResolverType, type ResolverType, type ResolverTypeContext } from "./resolver-type.ts";
import { staticTarget } from "./static-target.ts";

export interface RegisterOptions {
  /** For `kubernetes:///`: how the API server is reached, and the zone of this process. */
  readonly kubernetes?: KubernetesTargetOptions;
  /** For `evenkeel-dns:///`. */
  readonly dns?: DnsOptions;
}

/**
 * The resolvers of our schemes, by scheme: `experimental.registerResolver(scheme, type)` for each.
 *
 * Throws a `TypeError` or `RangeError` that names a bad option.
 */
export function createResolverTypes(
  options: RegisterOptions,
  context: ResolverTypeContext,
): ReadonlyMap<string, ResolverType> {
  checkKeys("register", options, ["kubernetes", "dns"]);
  const types = [kubernetesTarget(options.kubernetes), staticTarget, dnsTarget(options.dns)];
  return new Map(types.map((type) => [type.scheme, createResolverType(type, context)]));
}
