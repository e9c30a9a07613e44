import { setImmediate as turn } from "node:timers/promises";
import {
  type Candidate,
  createEndpoint,
  type Endpoint,
  type Outcome,
  type Policy,
  type PolicyContext,
  roundRobin,
} from "@evenkeel/core";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { connectivityState, experimental, Metadata, status } from "@grpc/grpc-js";
import { PolicyLoadBalancer } from "../src/balancing/load-balancer.ts";
import { PolicyConfig } from "../src/balancing/policy-config.ts";
import { toGrpcEndpoint } from "../src/resolving/endpoints.ts";
import { ScriptedSubchannel } from "./scripted-subchannel.ts";

/** The endpoint of `pod-<number>`, at 10.0.0.<number>:80. */
export function pod(number: number, known: Partial<Omit<Endpoint, "addresses">> = {}): Endpoint {
  return createEndpoint({ host: `10.0.0.${number}`, port: 80, podName: `pod-${number}`, ...known });
}

export function pods(...numbers: readonly number[]): Endpoint[] {
  return numbers.map((number) => pod(number));
}

/** A policy that keeps what it is given, and what it is told. */
export interface Probe {
  readonly policy: Policy;
  readonly given: {
    readonly previous: object | undefined;
    readonly candidates: readonly Candidate[];
    /** Theirs, at that time. */
    readonly endpoints: readonly Endpoint[];
    readonly context: PolicyContext;
  }[];
  readonly outcomes: Outcome[];
}

/** Chooses as `inner` does. */
export function probe(inner: Policy = roundRobin()): Probe {
  const given: Probe["given"] = [];
  const outcomes: Outcome[] = [];
  const policy: Policy = (previous, candidates, context) => {
    given.push({ previous, candidates, endpoints: candidates.map(({ endpoint }) => endpoint), context });
    const picker = inner<(typeof candidates)[0]>(undefined, candidates, context);
    return { pick: (info) => picker.pick(info), report: (_, outcome) => outcomes.push(outcome) };
  };
  return { policy, given, outcomes };
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
  /** How often a subchannel was asked for. */
  asked = 0;
  /** Hears of each state. */
  onState: (() => void) | undefined;
  #picker: experimental.Picker | undefined;
  #config: PolicyConfig;

  constructor(policy: Policy = roundRobin()) {
    this.#config = configOf(policy);
    const helper = {
      createSubchannel: (address: experimental.SubchannelAddress) => this.#subchannel(address),
      updateState: (state: connectivityState, picker: experimental.Picker, error: string | null) => {
        this.states.push({ state, error });
        this.#picker = picker;
        this.onState?.();
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

  get picker(): experimental.Picker {
    if (this.#picker === undefined) throw new Error("there is no picker");
    return this.#picker;
  }

  configure(policy: Policy, json?: unknown): void {
    this.#config = configOf(policy, json);
  }

  /** Later sets come with a malformed config. */
  misconfigure(message: string): void {
    const parse = (): never => {
      throw new RangeError(message);
    };
    this.#config = new PolicyConfig({ names: ["scripted"], parse }, "scripted", { malformed: true });
  }

  /** Lets the balancer have these endpoints, and connect. */
  async resolve(endpoints: readonly Endpoint[], note = ""): Promise<void> {
    this.update(endpoints.map(toGrpcEndpoint), note);
    await turn();
  }

  update(endpoints: experimental.Endpoint[], note = ""): boolean {
    return this.balancer.updateAddressList(experimental.statusOrFromValue(endpoints), this.#config, {}, note);
  }

  fail(details: string, code: status = status.UNAVAILABLE): void {
    this.balancer.updateAddressList(experimental.statusOrFromError({ code, details }), this.#config, {}, "");
  }

  /** Other channels of the process are connected to these pods. */
  share(...numbers: readonly number[]): void {
    for (const { addresses } of pods(...numbers)) this.#made(addresses[0]).become(connectivityState.READY);
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
    return pickFrom(this.picker, metadata);
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
    this.asked++;
    return this.#made(address) as unknown as experimental.SubchannelInterface;
  }

  #made(address: experimental.SubchannelAddress): ScriptedSubchannel {
    const made = new ScriptedSubchannel(address);
    const subchannel = this.subchannels.get(made.getAddress()) ?? made;
    this.subchannels.set(subchannel.getAddress(), subchannel);
    return subchannel;
  }
}

/** A balancer with these pods ready. */
export async function readyBalancer(numbers: readonly number[], policy?: Policy): Promise<BalancerHarness> {
  const harness = new BalancerHarness(policy);
  await harness.resolve(pods(...numbers));
  await harness.ready(...numbers);
  return harness;
}

/** Picks from a picker that may no longer be in use. */
export function pickFrom(picker: experimental.Picker, metadata = new Metadata()): experimental.PickResult {
  return picker.pick({ metadata, extraPickInfo: {} });
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
