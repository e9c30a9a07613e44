import { connectivityState, type experimental, status } from "@grpc/grpc-js";
import { refusal } from "./refusal.ts";

/** The policy of a channel that cannot work, whatever its endpoints are: every RPC fails, and says why. */
export const faultPolicy = "evenkeel_fault";

/** Its config. */
export class FaultConfig implements experimental.TypedLoadBalancingConfig {
  readonly details: string;

  constructor(details: string) {
    this.details = details;
  }

  getLoadBalancerName(): string {
    return faultPolicy;
  }

  toJsonObject(): object {
    return { [faultPolicy]: { details: this.details } };
  }

  static createFromJson(json: { readonly details?: unknown } | null): FaultConfig {
    return new FaultConfig(String(json?.details));
  }
}

export class FaultLoadBalancer implements experimental.LoadBalancer {
  readonly #helper: experimental.ChannelControlHelper;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
  }

  updateAddressList(_endpoints: unknown, config: experimental.TypedLoadBalancingConfig): boolean {
    if (!(config instanceof FaultConfig)) return false;
    failForGood(this.#helper, config.details);
    return true;
  }

  exitIdle(): void {}

  resetBackoff(): void {}

  destroy(): void {}

  getTypeName(): string {
    return faultPolicy;
  }
}

/** Fails RPCs, those that wait for ready as well: there is nothing to wait for. */
export function failForGood(helper: experimental.ChannelControlHelper, details: string): void {
  const result = refusal("drop", status.UNAVAILABLE, details);
  helper.updateState(connectivityState.TRANSIENT_FAILURE, { pick: () => result }, details);
}
