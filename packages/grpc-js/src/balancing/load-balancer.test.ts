import { setImmediate as turn } from "node:timers/promises";
import { leastRequest, type Outcome, type Policy, roundRobin, stackPolicies } from "@evenkeel/core";
import { connectivityState, experimental, Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { BalancerHarness, podOf, pods } from "../../test-helpers/balancer.ts";
import { PolicyConfig } from "./policy-config.ts";

const { READY, IDLE, TRANSIENT_FAILURE } = connectivityState;

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort();

/** A balancer with these pods ready. */
async function readyBalancer(numbers: readonly number[], policy?: Policy): Promise<BalancerHarness> {
  const harness = new BalancerHarness(policy);
  await harness.resolve(pods(...numbers));
  await harness.ready(...numbers);
  return harness;
}

describe("a load balancer", () => {
  test("connects to every endpoint, and has the policy choose among those that are ready", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2, 3));
    expect([1, 2, 3].map((number) => harness.subchannel(number).dials)).toEqual([1, 1, 1]);
    expect(harness.state).toBe("CONNECTING");
    expect(harness.pick().pickResultType).toBe(experimental.PickResultType.QUEUE);
    await harness.ready(1, 3);
    await harness.become(TRANSIENT_FAILURE, 2);
    expect(harness.state).toBe("READY");
    expect(sorted(harness.picks(4))).toEqual([1, 1, 3, 3]);
  });

  test("waits a moment for more than one, at a start", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2, 3));
    harness.clock.tick(20);
    await harness.ready(1);
    expect(harness.state).toBe("CONNECTING");
    harness.clock.tick(20);
    expect(harness.state).toBe("READY");
    expect(harness.picks(2)).toEqual([1, 1]);
  });

  test("keeps the connections of those that stay, and what is in flight there", async () => {
    const harness = await readyBalancer([1, 2], leastRequest({ choices: 2 }));
    const [busy] = harness.picks(1);
    await harness.resolve(pods(1, 2));
    await turn();
    expect([1, 2].map((number) => harness.subchannel(number).dials)).toEqual([1, 1]);
    expect(podOf(harness.pick())).not.toBe(busy);
  });

  test("dials what joins, and uses it when it is ready", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve(pods(1, 2));
    expect(harness.picks(2)).toEqual([1, 1]);
    await harness.ready(2);
    expect(sorted(harness.picks(4))).toEqual([1, 1, 2, 2]);
  });

  test("drops what leaves", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.resolve(pods(2));
    expect(harness.subchannel(1).refs).toBe(0);
    expect(harness.picks(2)).toEqual([2, 2]);
  });

  test("uses those that left until one of the new set is ready", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.resolve(pods(3));
    expect(harness.state).toBe("READY");
    expect(sorted(harness.picks(2))).toEqual([1, 2]);
    await harness.ready(3);
    expect(harness.picks(2)).toEqual([3, 3]);
    expect([1, 2].map((number) => harness.subchannel(number).refs)).toEqual([0, 0]);
  });

  test("takes one back that left and comes again, with its connection", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve(pods(2));
    await harness.resolve(pods(1, 2));
    expect(harness.picks(1)).toEqual([1]);
    expect(harness.subchannel(1)).toMatchObject({ dials: 1, refs: 1 });
  });

  test("a connection that was told to end is not picked, is made anew, and the set looked up at once", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.become(IDLE, 1);
    expect(harness.reresolutions).toBe(1);
    expect(harness.picks(2)).toEqual([2, 2]);
    expect(harness.subchannel(1).dials).toBe(2);
    await harness.ready(1);
    expect(sorted(harness.picks(2))).toEqual([1, 2]);
  });

  test("fails when none can be reached, with what was tried", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2), "the resolver's note");
    await harness.become(TRANSIENT_FAILURE, 1, 2);
    expect(harness.state).toBe("TRANSIENT_FAILURE");
    const result = harness.pick();
    expect(result.pickResultType).toBe(experimental.PickResultType.TRANSIENT_FAILURE);
    expect(result.status?.code).toBe(status.UNAVAILABLE);
    expect(result.status?.details).toBe(
      "scripted: none of 2 endpoints is ready: pod-1 (10.0.0.1:80): connect ECONNREFUSED. the resolver's note",
    );
  });

  test("fails at an empty set, also after another", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve([], "Service shop/orders has none");
    expect(harness.state).toBe("TRANSIENT_FAILURE");
    expect(harness.error).toBe("scripted: there are no endpoints. Service shop/orders has none");
    expect(harness.subchannel(1).refs).toBe(0);
  });

  test("keeps its endpoints when the resolver fails, and fails when it has none", async () => {
    const harness = await readyBalancer([1]);
    harness.fail("DNS is away");
    expect(harness.picks(1)).toEqual([1]);
    const other = new BalancerHarness();
    other.fail("DNS is away");
    expect(other).toMatchObject({ state: "TRANSIENT_FAILURE", error: "DNS is away" });
  });

  test("counts calls from the pick to their end, those that never start until the turn ends", async () => {
    const harness = await readyBalancer([1, 2], leastRequest({ choices: 2 }));
    const first = harness.pick();
    const other = podOf(first) === 1 ? 2 : 1;
    expect(podOf(harness.pick())).toBe(other);
    await turn();
    await turn();
    const long = harness.pick();
    long.onCallStarted?.();
    await turn();
    expect(new Set(Array.from({ length: 20 }, () => podOf(harness.pick()))).size).toBe(2);
    long.onCallEnded?.(status.OK, "", new Metadata());
  });

  test("tells the policy what became of each call, once", async () => {
    const outcomes: Outcome[] = [];
    const watching: Policy = (previous, candidates, context) => {
      const picker = roundRobin()(previous, candidates, context);
      return { pick: (info) => picker.pick(info), report: (_, outcome) => outcomes.push(outcome) };
    };
    const harness = await readyBalancer([1], watching);
    const result = harness.pick();
    result.onCallStarted?.();
    harness.clock.tick(7);
    result.onCallEnded?.(status.INTERNAL, "broken", new Metadata());
    expect(outcomes).toEqual([{ code: 13, fate: "answered", firstByteMs: 7, durationMs: 7 }]);
  });

  test("gives the policy the metadata", async () => {
    const seen: (string | undefined)[] = [];
    const reading: Policy = (previous, candidates, context) => {
      const picker = roundRobin()(previous, candidates, context);
      return {
        pick(info) {
          seen.push(info.header?.("x-user"), info.header?.("x-none"));
          return picker.pick(info);
        },
      };
    };
    const harness = await readyBalancer([1], reading);
    const metadata = new Metadata();
    metadata.add("x-user", "a");
    metadata.add("x-user", "b");
    harness.pick(metadata);
    expect(seen).toEqual(["a, b", undefined]);
  });

  test("slow start gives one that joins less, until it is warm", async () => {
    const policy = stackPolicies({ policy: roundRobin(), slowStart: { windowMs: 10_000 } });
    const harness = await readyBalancer([1], policy);
    harness.clock.tick(10_000);
    await harness.resolve(pods(1, 2));
    await harness.ready(2);
    const joined = (picks: readonly number[]): number => picks.filter((pod) => pod === 2).length;
    expect(joined(harness.picks(110))).toBeLessThan(15);
    harness.clock.tick(10_000);
    expect(joined(harness.picks(110))).toBeGreaterThan(50);
  });

  test("keeps what the policy learnt unless its config changes", async () => {
    const previous: unknown[] = [];
    const policy: Policy = (before, candidates, context) => {
      previous.push(before);
      return roundRobin()(undefined, candidates, context);
    };
    const harness = await readyBalancer([1], policy);
    await harness.resolve(pods(1, 2));
    harness.configure(policy, { other: true });
    await harness.resolve(pods(1, 2));
    expect(previous.map((before) => before === undefined)).toEqual([true, false, true]);
  });

  test.each([
    [
      "makes no picker",
      (): never => {
        throw new Error("out of order");
      },
    ],
    [
      "picks nothing",
      () => ({
        pick(): never {
          throw new Error("out of order");
        },
      }),
    ],
  ])("a policy that %s fails calls, and nothing else", async (_, policy) => {
    const harness = await readyBalancer([1], policy);
    const { status: refusal, subchannel } = harness.pick();
    expect(subchannel).toBeNull();
    expect(refusal?.code).toBe(status.INTERNAL);
    expect(refusal?.details).toMatch(/the policy failed: out of order$/);
  });

  test("a malformed config fails calls, with its name and what is wrong", async () => {
    const harness = new BalancerHarness();
    const type = {
      names: ["scripted"] as const,
      parse(): never {
        throw new RangeError("choiceCount: expected 2 to 100, got 1");
      },
    };
    const set = experimental.statusOrFromValue<experimental.Endpoint[]>([]);
    const accepted = harness.balancer.updateAddressList(set, new PolicyConfig(type, "scripted", {}), {}, "");
    expect(accepted).toBe(true);
    expect(harness.error).toBe("grpc.service_config: scripted: choiceCount: expected 2 to 100, got 1");
  });

  test("closes every connection when it is destroyed, and says nothing more", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.resolve(pods(3));
    const told = harness.states.length;
    harness.balancer.destroy();
    expect([...harness.subchannels.values()].map(({ refs }) => refs)).toEqual([0, 0, 0]);
    await harness.become(READY, 3);
    expect(harness.states.length).toBe(told);
  });
});
