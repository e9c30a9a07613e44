import { type Policy, roundRobin, stackPolicies } from "@evenkeel/core";
import { connectivityState, experimental, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { BalancerHarness, pod, pods, probe, readyBalancer } from "../../test-helpers/balancer.ts";

const { IDLE, READY, TRANSIENT_FAILURE } = connectivityState;

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
    expect(harness.picks(4).sort()).toEqual([1, 1, 3, 3]);
  });

  test("is of the type that the config named", () => {
    expect(new BalancerHarness().balancer.getTypeName()).toBe("scripted");
  });

  test("tells the policy of the whole set, and asks it again when the set or what is ready changes, and only then", async () => {
    const { policy, given } = probe();
    const harness = new BalancerHarness(policy);
    await harness.resolve(pods(1, 2, 3));
    await harness.ready(1, 2);
    expect(given.at(-1)?.endpoints).toEqual(pods(1, 2));
    expect(given.at(-1)?.context.endpoints).toEqual(pods(1, 2, 3));
    const before = { asked: given.length, told: harness.states.length };
    await harness.become(TRANSIENT_FAILURE, 3);
    await harness.become(IDLE, 3);
    expect({ asked: given.length, told: harness.states.length }).toEqual(before);
    await harness.resolve(pods(1, 2));
    expect(given.length).toBe(before.asked + 1);
    expect(given.at(-1)?.context.endpoints).toEqual(pods(1, 2));
  });

  test("heeds the weights of endpoints, also those of a later set", async () => {
    const harness = new BalancerHarness();
    const share = (): number => harness.picks(100).filter((picked) => picked === 2).length / 100;
    await harness.resolve([pod(1), pod(2, { weight: 3 })]);
    await harness.ready(1, 2);
    expect(share()).toBeCloseTo(0.75, 1);
    await harness.resolve([pod(1, { weight: 4 }), pod(2)]);
    expect(share()).toBeCloseTo(0.2, 1);
  });

  test("slow start gives one that joins less, until it is warm", async () => {
    const policy = stackPolicies({ policy: roundRobin(), slowStart: { windowMs: 10_000 } });
    const harness = await readyBalancer([1], policy);
    harness.clock.tick(10_000);
    await harness.resolve(pods(1, 2));
    await harness.ready(2);
    const joined = (picks: readonly number[]): number => picks.filter((number) => number === 2).length;
    expect(joined(harness.picks(110))).toBeLessThan(15);
    harness.clock.tick(10_000);
    expect(joined(harness.picks(110))).toBeGreaterThan(50);
  });

  test("keeps what the policy learnt unless its config changes", async () => {
    const { policy, given } = probe();
    const harness = await readyBalancer([1], policy);
    await harness.resolve(pods(1, 2));
    harness.configure(policy, { other: true });
    await harness.resolve(pods(1, 2));
    expect(given.map(({ previous }) => previous === undefined)).toEqual([true, false, true]);
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

  test("asks a policy that failed again when another is ready", async () => {
    let isBroken = true;
    const policy: Policy = (_, candidates, context) => {
      if (isBroken) throw new Error("out of order");
      return roundRobin()(undefined, candidates, context);
    };
    const harness = await readyBalancer([1], policy);
    expect(harness).toMatchObject({ state: "TRANSIENT_FAILURE", error: "scripted: the policy failed: out of order" });
    isBroken = false;
    await harness.resolve(pods(1, 2));
    expect(harness.picks(1)).toEqual([1]);
  });

  test("a malformed config fails all calls, with its name and what is wrong", () => {
    const harness = new BalancerHarness();
    harness.misconfigure("choiceCount: expected 2 to 100, got 1");
    expect(harness.update([])).toBe(true);
    expect(harness).toMatchObject({
      state: "TRANSIENT_FAILURE",
      error: "grpc.service_config: scripted: choiceCount: expected 2 to 100, got 1",
    });
    expect(harness.pick().pickResultType).toBe(experimental.PickResultType.DROP);
  });

  test("a malformed config that comes later changes nothing, and the set that comes with it counts", async () => {
    const { policy, given } = probe();
    const harness = await readyBalancer([1], policy);
    harness.misconfigure("choiceCount: expected 2 to 100, got 1");
    await harness.resolve(pods(2));
    await harness.ready(2);
    expect(harness.picks(1)).toEqual([2]);
    expect(harness.states.some(({ state }) => state === TRANSIENT_FAILURE)).toBe(false);
    harness.configure(policy);
    await harness.resolve(pods(2));
    expect(given.map(({ previous }) => previous === undefined)).toEqual([true, false, false, false]);
  });

  test("takes no config of another policy", async () => {
    const harness = await readyBalancer([1]);
    const told = harness.states.length;
    const other: experimental.TypedLoadBalancingConfig = {
      getLoadBalancerName: () => "other",
      toJsonObject: () => ({}),
    };
    const set = experimental.statusOrFromValue<experimental.Endpoint[]>([]);
    expect(harness.balancer.updateAddressList(set, other, {}, "")).toBe(false);
    expect(harness.states.length).toBe(told);
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

  test("waits for nothing more when it is destroyed", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2, 3));
    harness.clock.tick(20);
    await harness.ready(1);
    expect(harness.clock.pending).toBe(1);
    harness.balancer.destroy();
    expect(harness.clock.pending).toBe(0);
  });
});
