import { leastRequest } from "@evenkeel/core";
import { connectivityState, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { BalancerHarness, pod, podOf, pods, probe, readyBalancer } from "../../test-helpers/balancer.ts";
import { toGrpcEndpoint } from "../resolving/endpoints.ts";

const { IDLE, TRANSIENT_FAILURE } = connectivityState;

describe("at a new set, a load balancer", () => {
  test("keeps the connections of those that stay, and what is in flight there", async () => {
    const harness = await readyBalancer([1, 2], leastRequest({ choices: 2 }));
    const [busy] = harness.picks(1);
    await harness.resolve(pods(1, 2));
    expect([1, 2].map((number) => harness.subchannel(number).dials)).toEqual([1, 1]);
    expect(harness.asked).toBe(2);
    expect(podOf(harness.pick())).not.toBe(busy);
  });

  test("dials what joins, and uses it when it is ready", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve(pods(1, 2));
    expect(harness.picks(2)).toEqual([1, 1]);
    await harness.ready(2);
    expect(harness.picks(4).sort()).toEqual([1, 1, 2, 2]);
  });

  test("uses connections that other channels have at once, all of them, and says so once", async () => {
    const { policy, given } = probe();
    const harness = new BalancerHarness(policy);
    harness.share(1, 2, 3);
    await harness.resolve(pods(1, 2, 3));
    expect(harness.states).toEqual([{ state: connectivityState.READY, error: null }]);
    expect(given.map(({ endpoints }) => endpoints)).toEqual([pods(1, 2, 3)]);
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
    expect(harness.picks(2).sort()).toEqual([1, 2]);
    await harness.ready(3);
    expect(harness.picks(2)).toEqual([3, 3]);
    expect([1, 2].map((number) => harness.subchannel(number).refs)).toEqual([0, 0]);
  });

  test("uses those that left while it waits for more of the new set", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve(pods(2, 3, 4));
    harness.clock.tick(20);
    await harness.ready(2);
    expect(harness.picks(2)).toEqual([1, 1]);
    harness.clock.tick(20);
    expect(harness.picks(2)).toEqual([2, 2]);
  });

  test("has done with one that left when its connection is lost", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.resolve(pods(3));
    await harness.become(IDLE, 1);
    expect(harness.picks(2)).toEqual([2, 2]);
    expect(harness.subchannel(1)).toMatchObject({ refs: 0, dials: 1 });
    await harness.become(IDLE, 2);
    expect(harness.state).toBe("CONNECTING");
  });

  test("takes one back that left and comes again, with its connection", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve(pods(2));
    await harness.resolve(pods(1, 2));
    expect(harness.picks(1)).toEqual([1]);
    expect(harness.subchannel(1)).toMatchObject({ dials: 1, refs: 1 });
  });

  test("dials an endpoint that moved, and uses its connection until then", async () => {
    const harness = new BalancerHarness();
    await harness.resolve([pod(1, { key: "uid" })]);
    await harness.ready(1);
    await harness.resolve([pod(2, { key: "uid" })]);
    expect(harness.subchannel(2).dials).toBe(1);
    expect(harness.picks(1)).toEqual([1]);
    await harness.ready(2);
    expect(harness.picks(1)).toEqual([2]);
    expect(harness.subchannel(1).refs).toBe(0);
    expect(harness.reresolutions).toBe(0);
    await harness.become(IDLE, 1);
    await harness.resolve([pod(1, { key: "uid" })]);
    await harness.ready(1);
    expect(harness.picks(1)).toEqual([1]);
  });

  test("learns what is new of an endpoint that stays", async () => {
    const { policy, given } = probe();
    const harness = await readyBalancer([1], policy);
    const renamed = pod(1, { podName: "orders-1", zone: "b" });
    await harness.resolve([renamed]);
    expect(given.at(-1)).toMatchObject({ endpoints: [renamed], context: { endpoints: [renamed] } });
    await harness.become(TRANSIENT_FAILURE, 1);
    expect(harness.error).toMatch("orders-1 (10.0.0.1:80)");
  });

  test("passes over an endpoint without addresses", async () => {
    const harness = await readyBalancer([1]);
    harness.update([{ addresses: [] }, ...pods(1).map(toGrpcEndpoint)]);
    expect(harness.picks(1)).toEqual([1]);
    await harness.become(IDLE, 1);
    expect(harness.subchannel(1).dials).toBe(2);
    harness.update([{ addresses: [] }]);
    expect(harness.error).toBe("scripted: there are no endpoints");
  });

  test("fails when it is empty, also after another", async () => {
    const harness = await readyBalancer([1]);
    await harness.resolve([], "Service shop/orders has none");
    expect(harness.state).toBe("TRANSIENT_FAILURE");
    expect(harness.error).toBe("scripted: there are no endpoints. Service shop/orders has none");
    expect(harness.subchannel(1).refs).toBe(0);
  });
});

describe("when the resolver fails, a load balancer", () => {
  test("without endpoints fails, with its status", () => {
    const harness = new BalancerHarness();
    harness.fail("there is no Service shop/orders", status.NOT_FOUND);
    expect(harness).toMatchObject({ state: "TRANSIENT_FAILURE", error: "there is no Service shop/orders" });
    expect(harness.pick().status?.code).toBe(status.NOT_FOUND);
  });

  test("keeps its endpoints, and tells why only when none is ready", async () => {
    const harness = await readyBalancer([1]);
    const told = harness.states.length;
    harness.fail("DNS is away");
    expect(harness.states.length).toBe(told);
    await harness.become(IDLE, 1);
    await harness.become(TRANSIENT_FAILURE, 1);
    expect(harness.error).toMatch(/: connect ECONNREFUSED\. DNS is away$/);
    await harness.resolve(pods(1));
    expect(harness.error).toMatch(/: connect ECONNREFUSED$/);
  });
});
