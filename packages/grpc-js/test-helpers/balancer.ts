import { setImmediate as turn } from "node:timers/promises";
import { createEndpoint, type Endpoint, type Policy, roundRobin } from "@evenkeel/core";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { connectivityState, experimental, Metadata } from "@grpc/grpc-js";
import { PolicyLoadBalancer } from "../src/balancing/load-balancer.ts";
import { PolicyConfig } from "../src/balancing/policy-config.ts";
import { toGrpcEndpoint } from "../src/resolving/endpoints.ts";
import { ScriptedSubchannel } from "./scripted-subchannel.ts";

/** Endpoints of pods `pod-1`, `pod-2` …, at 10.0.0.1:80, 10.0.0.2:80 …. */
export function pods(...numbers: readonly number[]): Endpoint[] {
  return numbers.map((number) => createEndpoint({ host: `10.0.0.${number}`, port: 80, podName: `pod-${number}` }));
}

/** The address of the subchannel of `pod-<number>`. */
const addressOf = (number: number): string => `10.0.0.${number}:80`;

/** A load balancer on scripted subchannels. */
export class BalancerHarness {
  readonly clock: FakeClock = new FakeClock();
  readonly subchannels = new Map<string, ScriptedSubchannel>();
  readonly states: { readonly state: connectivityState; readonly error: string | null }[] = [];
  readonly balancer: PolicyLoadBalancer;
  reresolutions = 0;
  #picker: experimental.Picker | undefined;
  #config: PolicyConfig;

  constructor(policy: Policy = roundRobin()) {
    this.#config = configOf(policy);
    const helper = {
      createSubchannel: (address: experimental.SubchannelAddress) => this.#subchannel(address),
      updateState: (state: connectivityState, picker: experimental.Picker, error: string | null) => {
        this.states.push({ state, error });
        this.#picker = picker;
      },
      requestReresolution: () => {
        this.reresolutions++;
      },
      addChannelzChild() {},
      removeChannelzChild() {},
    };
    this.balancer = new PolicyLoadBalancer("scripted", helper, { clock: this.clock, random: seededRandom(1) });
  }

  get state(): string | undefined {
    const last = this.states.at(-1);
    return last === undefined ? undefined : connectivityState[last.state];
  }

  get error(): string | null | undefined {
    return this.states.at(-1)?.error;
  }

  configure(policy: Policy, json?: unknown): void {
    this.#config = configOf(policy, json);
  }

  /** Lets the balancer have these endpoints, and connect. */
  async resolve(endpoints: readonly Endpoint[], note = ""): Promise<void> {
    const set = experimental.statusOrFromValue(endpoints.map(toGrpcEndpoint));
    this.balancer.updateAddressList(set, this.#config, {}, note);
    await turn();
  }

  fail(details: string): void {
    this.balancer.updateAddressList(experimental.statusOrFromError({ code: 14, details }), this.#config, {}, "");
  }

  subchannel(number: number): ScriptedSubchannel {
    const found = this.subchannels.get(addressOf(number));
    if (found === undefined) throw new Error(`pod-${number} has no subchannel`);
    return found;
  }

  async become(state: connectivityState, ...numbers: readonly number[]): Promise<void> {
    for (const number of numbers) this.subchannel(number).become(state, "connect ECONNREFUSED");
    await turn();
  }

  async ready(...numbers: readonly number[]): Promise<void> {
    await this.become(connectivityState.READY, ...numbers);
  }

  pick(metadata = new Metadata()): experimental.PickResult {
    if (this.#picker === undefined) throw new Error("there is no picker");
    return this.#picker.pick({ metadata, extraPickInfo: {} });
  }

  /** The numbers of the pods that so many calls go to; they start, and go on. */
  picks(count: number): number[] {
    return Array.from({ length: count }, () => {
      const result = this.pick();
      result.onCallStarted?.();
      return podOf(result);
    });
  }

  #subchannel(address: experimental.SubchannelAddress): experimental.SubchannelInterface {
    const made = new ScriptedSubchannel(address);
    const subchannel = this.subchannels.get(made.getAddress()) ?? made;
    this.subchannels.set(subchannel.getAddress(), subchannel);
    return subchannel as unknown as experimental.SubchannelInterface;
  }
}

/** The number of the pod that was picked. */
export function podOf(result: experimental.PickResult): number {
  const address = result.subchannel?.getAddress();
  if (address === undefined) throw new Error(`nothing was picked: ${result.status?.details ?? result.pickResultType}`);
  return Number(/^10\.0\.0\.(\d+):/.exec(address)?.[1]);
}

function configOf(policy: Policy, json: unknown = {}): PolicyConfig {
  return new PolicyConfig({ names: ["scripted"], parse: () => policy }, "scripted", json);
}
