import { messageOf } from "@evenkeel/core";
import { type ChannelOptions, experimental } from "@grpc/grpc-js";

const fields = ["loadBalancingConfig", "loadBalancingPolicy", "methodConfig", "retryThrottling"];

/** How many names a message shows. */
const shownNames = 5;

/**
 * Why a channel with these options would not do as its `grpc.service_config` says; `undefined` when it would.
 *
 * grpc-js passes over the policies that it cannot use, and takes pick_first when none is left. As gRFC A24 has it, the
 * first policy that is known counts, and is an error where its config is wrong. Without any, pick_first is the default.
 * Fields that gRPC may have one day are passed over (gRFC A21), but not those that are misspelt.
 */
export function serviceConfigFault(options: ChannelOptions, policyNames: readonly string[]): string | undefined {
  const text = options["grpc.service_config"];
  const fault = text ? faultOf(JSON.parse(text) as ServiceConfig, policyNames) : undefined;
  return fault === undefined ? undefined : `grpc.service_config: ${fault}`;
}

function faultOf(config: ServiceConfig, policyNames: readonly string[]): string | undefined {
  if (Array.isArray(config)) return "expected an object, got an array";
  for (const field of Object.keys(config)) {
    const meant = fields.find((each) => each.toLowerCase() === field.toLowerCase().replaceAll("_", ""));
    if (meant !== undefined && meant !== field) return `${field}: write ${meant}`;
  }
  const { loadBalancingConfig = [], loadBalancingPolicy: policy, methodConfig = [] } = config;
  if (!Array.isArray(methodConfig)) return "methodConfig: expected an array";
  const added = `evenkeel's register() adds ${policyNames.join(", ")}`;
  if (loadBalancingConfig.length > 0) return loadBalancingFault(loadBalancingConfig, added);
  if (policy === undefined || /^pick_first$/i.test(policy)) return undefined;
  const name = policy.toLowerCase();
  const instead = `{"loadBalancingConfig":[{${JSON.stringify(name)}:{}}]}`;
  if (isKnown(name)) return `grpc-js ignores loadBalancingPolicy: write ${instead}`;
  return `loadBalancingPolicy: no policy is called ${policy}; ${added}`;
}

function loadBalancingFault(entries: readonly Entry[], added: string): string | undefined {
  const names = entries.map((entry) => Object.keys(entry)[0] ?? "");
  const known = names.findIndex(isKnown);
  if (known === -1) {
    const others = names.length > shownNames ? ` … and ${names.length - shownNames} more` : "";
    return `loadBalancingConfig: no policy is called ${names.slice(0, shownNames).join(" or ")}${others}; ${added}`;
  }
  try {
    experimental.parseLoadBalancingConfig(entries[known] ?? {});
    return undefined;
  } catch (error) {
    return `loadBalancingConfig: ${messageOf(error)}`;
  }
}

/** grpc-js takes what every object has, "constructor", for a policy, too. */
function isKnown(name: string): boolean {
  return !(name in {}) && experimental.isLoadBalancerNameRegistered(name);
}

interface Entry {
  readonly [name: string]: object;
}

/** As grpc-js has checked it: a channel with any other is not made. */
interface ServiceConfig {
  readonly loadBalancingConfig?: readonly Entry[];
  readonly loadBalancingPolicy?: string;
  readonly methodConfig?: unknown;
}
