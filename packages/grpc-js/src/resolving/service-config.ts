import { messageOf } from "@evenkeel/core";
import { type ChannelOptions, experimental } from "@grpc/grpc-js";

/**
 * Why a channel with these options would not balance as its `grpc.service_config` says; `undefined` when it would.
 *
 * grpc-js passes over the policies that it cannot use, and takes pick_first when none is left. As gRFC A24 has it, the
 * first policy that is known counts, and is an error where its config is wrong. Without any, pick_first is the default.
 */
export function serviceConfigFault(options: ChannelOptions, policyNames: readonly string[]): string | undefined {
  const text = options["grpc.service_config"];
  if (!text) return undefined;
  const { loadBalancingConfig = [], loadBalancingPolicy } = JSON.parse(text) as ServiceConfig;
  if (loadBalancingConfig.length === 0) {
    if (loadBalancingPolicy === undefined || /^pick_first$/i.test(loadBalancingPolicy)) return undefined;
    const instead = `{"loadBalancingConfig":[{${JSON.stringify(loadBalancingPolicy.toLowerCase())}:{}}]}`;
    return `grpc.service_config: grpc-js ignores loadBalancingPolicy: write ${instead}`;
  }
  const names = loadBalancingConfig.map((entry) => Object.keys(entry)[0] ?? "");
  // grpc-js takes what every object has, "constructor", for a policy
  const known = names.findIndex((name) => !(name in {}) && experimental.isLoadBalancerNameRegistered(name));
  if (known === -1) {
    const added = `evenkeel's register() adds ${policyNames.join(", ")}`;
    return `grpc.service_config: loadBalancingConfig: no policy is called ${names.join(" or ")}; ${added}`;
  }
  try {
    experimental.parseLoadBalancingConfig(loadBalancingConfig[known] ?? {});
    return undefined;
  } catch (error) {
    return `grpc.service_config: loadBalancingConfig: ${messageOf(error)}`;
  }
}

/** As grpc-js has checked it: a channel with any other is not made. */
interface ServiceConfig {
  readonly loadBalancingConfig?: readonly { readonly [name: string]: object }[];
  readonly loadBalancingPolicy?: string;
}
