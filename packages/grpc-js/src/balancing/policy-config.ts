import { messageOf, type Policy } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";
import type { PolicyType } from "./policy-type.ts";

/**
 * An entry of `loadBalancingConfig`. A malformed one is kept, with its error: grpc-js would take the next entry instead,
 * and in the end pick_first, and say nothing. One that comes later fails a channel only where it is of another policy.
 */
export class PolicyConfig implements experimental.TypedLoadBalancingConfig {
  readonly policy: PolicyOrError;
  readonly #name: string;
  readonly #json: unknown;

  constructor(type: PolicyType, name: string, json: unknown) {
    this.#name = name;
    this.#json = json;
    this.policy = policyOf(type, name, json);
  }

  /** Equal for configs that say the same. */
  get text(): string {
    return JSON.stringify(this.toJsonObject());
  }

  getLoadBalancerName(): string {
    return this.#name;
  }

  toJsonObject(): object {
    return { [this.#name]: this.#json ?? {} };
  }
}

export type PolicyOrError =
  | { readonly kind: "policy"; readonly policy: Policy }
  | { readonly kind: "error"; readonly message: string };

function policyOf(type: PolicyType, name: string, json: unknown): PolicyOrError {
  try {
    return { kind: "policy", policy: type.parse(json) };
  } catch (error) {
    return { kind: "error", message: `grpc.service_config: ${name}: ${messageOf(error)}` };
  }
}
