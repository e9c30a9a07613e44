import { systemClock, systemRandom } from "@evenkeel/core";
import { experimental } from "@grpc/grpc-js";
import { FaultConfig, FaultLoadBalancer, faultPolicy } from "./balancing/fault.ts";
import { type BalancerContext, PolicyLoadBalancer } from "./balancing/load-balancer.ts";
import { PolicyConfig } from "./balancing/policy-config.ts";
import type { PolicyType } from "./balancing/policy-type.ts";
import { policyTypes } from "./balancing/policy-types.ts";
import { createResolverTypes, type RegisterOptions } from "./resolving/resolver-types.ts";

const context: BalancerContext = { clock: systemClock, random: systemRandom };

const policyNames = policyTypes.flatMap(({ names }) => names);

/**
 * Adds evenkeel's resolvers (`kubernetes:///`, `static:///`, `evenkeel-dns:///`) and policies to @grpc/grpc-js. Nothing
 * else of it changes: a channel that names none of them notices nothing.
 *
 * To be called before channels are made; calling it again changes the options, for the channels that are made from then
 * on. A policy whose name another package has registered is left to that. Throws a `TypeError` or `RangeError` that names
 * the option, and an `Error` where grpc-js is older than 1.14.
 */
export function register(options: RegisterOptions = {}): void {
  if (typeof experimental?.statusOrFromValue !== "function") {
    throw new Error("@evenkeel/grpc-js needs @grpc/grpc-js 1.14 or later: update it");
  }
  const resolverTypes = createResolverTypes(options, { ...context, policyNames });
  for (const [scheme, type] of resolverTypes) experimental.registerResolver(scheme, type);
  experimental.registerLoadBalancerType(faultPolicy, FaultLoadBalancer, FaultConfig);
  for (const type of policyTypes) for (const name of type.names) registerPolicy(type, name);
}

function registerPolicy(type: PolicyType, name: string): void {
  if (experimental.isLoadBalancerNameRegistered(name)) return;
  class LoadBalancer extends PolicyLoadBalancer {
    constructor(helper: experimental.ChannelControlHelper) {
      super(name, helper, context);
    }
  }
  class Config extends PolicyConfig {
    constructor(json?: unknown) {
      super(type, name, json);
    }

    static createFromJson(json: unknown): PolicyConfig {
      return new Config(json);
    }
  }
  experimental.registerLoadBalancerType(name, LoadBalancer, Config);
}
