import {
  type Clock,
  messageOf,
  type Outcome,
  type Picker,
  type Policy,
  type PolicyContext,
  type Random,
  StartHold,
} from "@evenkeel/core";
import { type ChannelOptions, connectivityState, experimental, status } from "@grpc/grpc-js";
import { toEndpoint } from "../resolving/endpoints.ts";
import { CallPicker, type OutcomeSink } from "./call-picker.ts";
import { failForGood } from "./fault.ts";
import { Member } from "./member.ts";
import { PolicyConfig } from "./policy-config.ts";

/** Where load balancers get time and chance from. */
export interface BalancerContext {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Keeps a connection to every endpoint, and has a policy of core's choose among those that are ready.
 *
 * Members that stay in the set keep their connections, and what was learnt of them; those that leave are used until
 * members of the new set are ready, and end when their calls have ended.
 */
export class PolicyLoadBalancer implements experimental.LoadBalancer {
  readonly #name: string;
  readonly #helper: experimental.ChannelControlHelper;
  readonly #context: BalancerContext;
  readonly #hold: StartHold;
  readonly #sink: OutcomeSink = { report: (member, outcome) => this.#report(member, outcome) };
  #members = new Map<string, Member>();
  /** Those that left the set, while none of the set is ready. */
  #leaving: readonly Member[] = [];
  #config: { readonly text: string; readonly policy: Policy } | undefined;
  #policyContext: PolicyContext;
  /** What the last picker was made of; none while nothing is ready. */
  #served: { readonly members: readonly Member[]; readonly context: PolicyContext } | undefined;
  /** The last one that the policy made: what it learnt carries over. */
  #picker: Picker<Member> | undefined;
  #emptySince: number | undefined;
  /** What the resolver last said beside the set, for errors. */
  #note = "";
  /** In an update, after which everything is looked at. */
  #isPaused = false;

  constructor(name: string, helper: experimental.ChannelControlHelper, context: BalancerContext) {
    this.#name = name;
    this.#helper = helper;
    this.#context = context;
    this.#hold = new StartHold(context.clock, () => this.#update());
    this.#policyContext = this.#contextOf([]);
  }

  updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    if (!(config instanceof PolicyConfig)) return false;
    const { policy } = config;
    if (policy.kind === "error" && this.#config === undefined) {
      failForGood(this.#helper, policy.message);
      return true;
    }
    if (!endpoints.ok) {
      const { code, details } = endpoints.error;
      this.#note = details;
      if (this.#members.size === 0) this.#fail(details, code);
      return true;
    }
    this.#note = note;
    this.#isPaused = true;
    // a later config that is bad changes nothing: the set counts (gRFC A2)
    if (policy.kind === "policy" && this.#config?.text !== config.text) {
      this.#config = { text: config.text, policy: policy.policy };
      this.#picker = undefined;
    }
    this.#reconcile(endpoints.value, options);
    this.#isPaused = false;
    this.#update();
    return true;
  }

  exitIdle(): void {
    // none is: a connection that is lost is made anew at once
  }

  resetBackoff(): void {
    // the backoff is that of grpc-js's subchannels, which resets when they connect
  }

  destroy(): void {
    this.#hold.reset();
    for (const member of [...this.#members.values(), ...this.#leaving]) member.close();
    this.#members.clear();
    this.#leaving = [];
  }

  getTypeName(): string {
    return this.#name;
  }

  #reconcile(endpoints: readonly experimental.Endpoint[], options: ChannelOptions): void {
    const usable = endpoints.filter(({ addresses }) => addresses.length > 0);
    const set = new Map(usable.map((endpoint) => [toEndpoint(endpoint).key, endpoint]));
    const before = new Map(this.#members);
    for (const member of this.#leaving) before.set(member.endpoint.key, member);
    const context = {
      helper: this.#helper,
      clock: this.#context.clock,
      changed: (member: Member, state: connectivityState) => this.#changed(member, state),
    };
    const joined: Member[] = [];
    this.#members = new Map();
    // those that stay keep their places
    for (const [key, member] of before) {
      const endpoint = set.get(key);
      if (endpoint === undefined) continue;
      member.update(endpoint, options);
      this.#members.set(key, member);
    }
    for (const [key, endpoint] of set) {
      if (this.#members.has(key)) continue;
      const member = new Member(endpoint, context, options);
      this.#members.set(key, member);
      joined.push(member);
    }
    // new ones first: a connection that both have is kept
    for (const member of joined) member.connect();
    this.#leaving = [...before.values()].filter(({ endpoint }) => !set.has(endpoint.key));
    if (set.size === 0) this.#closeLeaving(() => true);
    this.#policyContext = this.#contextOf([...this.#members.values()].map(({ endpoint }) => endpoint));
  }

  #changed(member: Member, before: connectivityState): void {
    this.#update();
    // a pod that ends, or told its connection to
    if (before === connectivityState.READY && !member.isReady) this.#helper.requestReresolution();
    // whoever was told may have closed the channel, or changed the set
    const isMember = this.#members.get(member.endpoint.key) === member;
    if (isMember && member.state === connectivityState.IDLE) member.connect();
  }

  #update(): void {
    if (this.#isPaused) return;
    const members = [...this.#members.values()];
    const [first, ...rest] = members.filter(({ isReady }) => isReady);
    if (first === undefined) this.#hold.reset();
    if (first !== undefined && !this.#hold.update([first, ...rest], members)) {
      this.#serve([first, ...rest]);
      this.#closeLeaving(() => true);
      return;
    }
    this.#closeLeaving(({ isReady }) => !isReady);
    const [leaving, ...others] = this.#leaving;
    if (leaving !== undefined) this.#serve([leaving, ...others]);
    else this.#wait(members);
  }

  #serve(members: readonly [Member, ...Member[]]): void {
    const context = this.#policyContext;
    const served = this.#served;
    const isSame = served?.members.length === members.length && members.every((each, i) => each === served.members[i]);
    if (isSame && served.context === context) return;
    const emptySince = this.#emptySince;
    this.#served = { members, context };
    this.#emptySince = undefined;
    try {
      const policy = (this.#config as { policy: Policy }).policy;
      this.#picker = policy(this.#picker, members, emptySince === undefined ? context : { ...context, emptySince });
    } catch (error) {
      this.#fail(`${this.#name}: the policy failed: ${messageOf(error)}`, status.INTERNAL);
      return;
    }
    const picker = new CallPicker(this.#picker, this.#sink, this.#context.clock);
    this.#helper.updateState(connectivityState.READY, picker, null);
  }

  /** Nothing is ready. */
  #wait(members: readonly Member[]): void {
    if (this.#served !== undefined) this.#emptySince = this.#context.clock.now();
    this.#served = undefined;
    const [first] = members;
    const note = this.#note === "" ? "" : `. ${this.#note}`;
    if (members.some(({ isDialling }) => isDialling)) {
      this.#helper.updateState(connectivityState.CONNECTING, new experimental.QueuePicker(this), null);
    } else if (first === undefined) this.#fail(`${this.#name}: there are no endpoints${note}`);
    else this.#fail(`${this.#name}: none of ${members.length} endpoints is ready: ${first.failure}${note}`);
  }

  #fail(details: string, code: status = status.UNAVAILABLE): void {
    const picker = new experimental.UnavailablePicker({ code, details });
    this.#helper.updateState(connectivityState.TRANSIENT_FAILURE, picker, details);
  }

  #report(member: Member, outcome: Outcome): void {
    try {
      this.#picker?.report?.(member, outcome);
    } catch (error) {
      // it would be thrown out of a socket's event
      process.emitWarning(`${this.#name}: the policy failed: ${messageOf(error)}`, { code: "EVENKEEL_POLICY" });
    }
  }

  #closeLeaving(isOver: (member: Member) => boolean): void {
    const over = this.#leaving.filter(isOver);
    if (over.length === 0) return;
    this.#leaving = this.#leaving.filter((member) => !over.includes(member));
    for (const member of over) member.close();
  }

  #contextOf(endpoints: PolicyContext["endpoints"]): PolicyContext {
    return { ...this.#context, endpoints, weightOf: ({ endpoint }) => endpoint.weight };
  }
}
