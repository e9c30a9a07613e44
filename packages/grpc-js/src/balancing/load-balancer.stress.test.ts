import { setImmediate as turn } from "node:timers/promises";
import { type Endpoint, leastRequest, type Policy, ringHash, roundRobin, stackPolicies } from "@evenkeel/core";
import { seededRandom } from "@evenkeel/testing";
import { connectivityState, type experimental, Metadata, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { BalancerHarness, pod } from "../../test-helpers/balancer.ts";
import type { ScriptedSubchannel } from "../../test-helpers/scripted-subchannel.ts";

const { CONNECTING, IDLE, READY, TRANSIENT_FAILURE } = connectivityState;
const layers = { outlierDetection: {}, slowStart: { windowMs: 1_000 }, locality: { zone: "a" } };
const layered = stackPolicies({ policy: leastRequest(), ...layers });
const policies = [roundRobin(), leastRequest(), ringHash({ key: { header: "x-user" } }), layered] as const;

/** What a subchannel becomes by itself. */
const later = new Map([
  [CONNECTING, [READY, TRANSIENT_FAILURE]],
  [READY, [IDLE]],
  [TRANSIENT_FAILURE, [IDLE]],
]);

/** Random things happen to a load balancer. */
class Storm {
  readonly harness: BalancerHarness;
  readonly #policy: Policy;
  readonly #random: () => number;
  readonly #calls: experimental.PickResult[] = [];
  #set: readonly Endpoint[] = [];

  constructor(seed: number, policy: Policy) {
    this.harness = new BalancerHarness(policy);
    this.#policy = policy;
    this.#random = seededRandom(seed);
  }

  async step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.15) await this.#resolve();
    else if (dice < 0.2) this.harness.fail("the resolver is away");
    else if (dice < 0.7) this.#happens(this.#any([...this.harness.subchannels.values()]));
    else if (dice < 0.75) this.harness.clock.tick(this.#upTo(100));
    else if (this.harness.states.length > 0) this.#call();
    if (this.#calls.length > 10) this.#end(this.#calls.splice(this.#upTo(10), 1));
    await turn();
    this.#check();
  }

  async destroy(): Promise<void> {
    this.#end(this.#calls);
    this.harness.balancer.destroy();
    await turn();
    // nothing is held any more
    expect([...this.harness.subchannels.values()].filter(({ refs }) => refs !== 0)).toEqual([]);
    expect(this.harness.clock.pending).toBe(0);
  }

  /** Up to four of six endpoints, some of which move, and some of which have a second address. */
  async #resolve(): Promise<void> {
    const numbers = new Set(Array.from({ length: this.#upTo(5) }, () => 1 + this.#upTo(6)));
    this.#set = [...numbers].map((number) => {
      const known = { key: `uid-${number}`, zone: this.#random() < 0.5 ? "a" : "b" };
      const endpoint = pod(this.#random() < 0.2 ? number + 10 : number, known);
      const others = this.#random() < 0.2 ? pod(number + 20).addresses : [];
      return { ...endpoint, addresses: [...endpoint.addresses, ...others] };
    });
    if (this.#random() < 0.1) this.harness.configure(this.#policy, { version: this.#random() });
    await this.harness.resolve(this.#set);
  }

  #happens(subchannel: ScriptedSubchannel | undefined): void {
    const state = subchannel && this.#any(later.get(subchannel.state) ?? []);
    if (state !== undefined) subchannel?.become(state, "connect ECONNREFUSED");
  }

  #call(): void {
    const call = this.harness.pick();
    // a call goes to a connection that is ready, and goes there at once where there is one
    const picked = call.subchannel as unknown as ScriptedSubchannel | null;
    if (picked !== null || this.harness.state === "READY") expect(picked?.state).toBe(READY);
    if (picked === null || this.#random() < 0.2) return;
    call.onCallStarted?.();
    this.#calls.push(call);
  }

  #end(calls: readonly experimental.PickResult[]): void {
    const code = this.#random() < 0.3 ? status.UNAVAILABLE : status.OK;
    for (const call of calls) call.onCallEnded?.(code, "", new Metadata());
  }

  #check(): void {
    const { clock, subchannels } = this.harness;
    const held = [...subchannels.values()].filter(({ refs }) => refs > 0);
    const addresses = this.#set.map((endpoint) => endpoint.addresses.map(({ host, port }) => `${host}:${port}`));
    expect([...subchannels.values()].filter(({ refs }) => refs < 0)).toEqual([]);
    // whatever is in the set is connected, or was dialled; of two addresses one is enough
    const dialled = new Set(held.filter(({ state }) => state !== IDLE).map((each) => each.getAddress()));
    const single = addresses.filter(({ length }) => length === 1).flat();
    expect(single.filter((address) => !dialled.has(address))).toEqual([]);
    // what is ready is used, after a moment
    const wanted = new Set(addresses.flat());
    if (!held.some((each) => each.state === READY && wanted.has(each.getAddress()))) return;
    clock.tick(50);
    expect(this.harness.state).toBe("READY");
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #any<T>(things: readonly T[]): T | undefined {
    return things[this.#upTo(things.length)];
  }
}

test.each(Array.from({ length: 32 }, (_, seed) => seed))(
  "whatever happens, what is ready is used, and what is lost is dialled (seed %i)",
  async (seed) => {
    const storm = new Storm(seed, policies[seed % 4] as Policy);
    for (let step = 0; step < 150; step++) await storm.step();
    await storm.destroy();
  },
);
