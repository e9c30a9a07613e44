import { type ChannelOptions, connectivityState, experimental } from "@grpc/grpc-js";

/** A load balancing policy that reaches no endpoint, and keeps what it was told. */
export interface Recorder {
  readonly name: string;
  /** What each update was, the latest last. */
  readonly updates: { readonly list: experimental.StatusOr<experimental.Endpoint[]>; readonly note: string }[];
  /** Resolves once there were so many updates. */
  updated(count: number): Promise<void>;
}

let recorders = 0;

/** Registers one under a name of its own. */
export function registerRecorder(): Recorder {
  const name = `recorder_${++recorders}`;
  let told = Promise.withResolvers<void>();
  const recorder: Recorder = {
    name,
    updates: [],
    async updated(count) {
      while (recorder.updates.length < count) await told.promise;
    },
  };
  class Config implements experimental.TypedLoadBalancingConfig {
    getLoadBalancerName(): string {
      return name;
    }
    toJsonObject(): object {
      return { [name]: {} };
    }
    static createFromJson(): Config {
      return new Config();
    }
  }
  class Balancer implements experimental.LoadBalancer {
    readonly #helper: experimental.ChannelControlHelper;
    constructor(helper: experimental.ChannelControlHelper) {
      this.#helper = helper;
    }
    updateAddressList(
      list: experimental.StatusOr<experimental.Endpoint[]>,
      _config: experimental.TypedLoadBalancingConfig,
      _options: ChannelOptions,
      note: string,
    ): boolean {
      recorder.updates.push({ list, note });
      const details = list.ok ? `${list.value.length} endpoints; ${note}` : list.error.details;
      const picker = new experimental.UnavailablePicker({ details });
      this.#helper.updateState(connectivityState.TRANSIENT_FAILURE, picker, details);
      told.resolve();
      told = Promise.withResolvers();
      return true;
    }
    exitIdle(): void {}
    resetBackoff(): void {}
    destroy(): void {}
    getTypeName(): string {
      return name;
    }
  }
  experimental.registerLoadBalancerType(name, Balancer, Config);
  return recorder;
}
