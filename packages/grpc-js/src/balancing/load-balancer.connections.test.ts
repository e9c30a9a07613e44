import { connectivityState, experimental, status } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { BalancerHarness, pods, probe, readyBalancer } from "../../test-helpers/balancer.ts";

const { IDLE, TRANSIENT_FAILURE } = connectivityState;

describe("a load balancer", () => {
  test("waits a moment for more than one connection, at a start", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2, 3));
    harness.clock.tick(20);
    await harness.ready(1);
    expect(harness.state).toBe("CONNECTING");
    harness.clock.tick(20);
    expect(harness.state).toBe("READY");
    expect(harness.picks(2)).toEqual([1, 1]);
  });

  test("waits again when all were lost, as long as the first took now", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2, 3));
    harness.clock.tick(10);
    await harness.ready(1, 2, 3);
    harness.clock.tick(1_000);
    await harness.become(IDLE, 1, 2, 3);
    harness.clock.tick(30);
    await harness.ready(1);
    harness.clock.tick(29);
    expect(harness.state).toBe("CONNECTING");
    harness.clock.tick(1);
    expect(harness.state).toBe("READY");
  });

  test("a connection that was told to end is not picked, is made anew, and the set looked up at once", async () => {
    const harness = await readyBalancer([1, 2]);
    await harness.become(IDLE, 1);
    expect(harness.reresolutions).toBe(1);
    expect(harness.picks(2)).toEqual([2, 2]);
    expect(harness.subchannel(1).dials).toBe(2);
    await harness.ready(1);
    expect(harness.picks(2).sort()).toEqual([1, 2]);
  });

  test("has calls wait for the only connection when it is made anew", async () => {
    const harness = await readyBalancer([1]);
    await harness.become(IDLE, 1);
    expect(harness.state).toBe("CONNECTING");
    expect(harness.states.some(({ state }) => state === TRANSIENT_FAILURE)).toBe(false);
    expect(harness.pick().pickResultType).toBe(experimental.PickResultType.QUEUE);
    await harness.ready(1);
    expect(harness.picks(1)).toEqual([1]);
  });

  test("tells the policy since when nothing was ready, once", async () => {
    const { policy, given } = probe();
    const harness = await readyBalancer([1], policy);
    harness.clock.tick(1_000);
    await harness.become(IDLE, 1);
    const lostAt = harness.clock.now();
    harness.clock.tick(5);
    await harness.resolve(pods(1));
    harness.clock.tick(5);
    await harness.ready(1);
    await harness.resolve(pods(1));
    expect(given.map(({ context }) => context.emptySince)).toEqual([undefined, lostAt, undefined]);
  });

  test("fails when none can be reached, with what was tried", async () => {
    const harness = new BalancerHarness();
    await harness.resolve(pods(1, 2), "the resolver's note");
    await harness.become(TRANSIENT_FAILURE, 1);
    expect(harness.state).toBe("CONNECTING");
    await harness.become(TRANSIENT_FAILURE, 2);
    expect(harness.state).toBe("TRANSIENT_FAILURE");
    const result = harness.pick();
    expect(result.pickResultType).toBe(experimental.PickResultType.TRANSIENT_FAILURE);
    expect(result.status?.code).toBe(status.UNAVAILABLE);
    expect(result.status?.details).toBe(
      "scripted: none of 2 endpoints is ready: pod-1 (10.0.0.1:80): connect ECONNREFUSED. the resolver's note",
    );
  });

  test("fails when none can be reached for other channels of the process either", async () => {
    const harness = new BalancerHarness();
    harness.share(1);
    await harness.become(TRANSIENT_FAILURE, 1);
    await harness.resolve(pods(1));
    expect(harness.error).toBe("scripted: none of 1 endpoints is ready: pod-1 (10.0.0.1:80): not connected");
  });

  test("does not use a connection that grpc-js's outlier detection ejected", async () => {
    const harness = await readyBalancer([1, 2]);
    harness.subchannel(1).becomeHealthy(false);
    expect(harness.picks(2)).toEqual([2, 2]);
    harness.subchannel(2).becomeHealthy(false);
    expect(harness.error).toBe(
      "scripted: none of 2 endpoints is ready: pod-1 (10.0.0.1:80): Picked subchannel 10.0.0.1:80 is unhealthy",
    );
    harness.subchannel(1).becomeHealthy(true);
    expect(harness.picks(2)).toEqual([1, 1]);
  });

  test("hears nothing of a connection that it gave up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const harness = new BalancerHarness();
      await harness.resolve(pods(1));
      await harness.resolve(pods(2));
      const told = harness.states.length;
      // grpc-js's pick_first looks for another address after a moment, also where it was closed
      vi.advanceTimersByTime(250);
      expect(harness).toMatchObject({ reresolutions: 0, states: { length: told } });
    } finally {
      vi.useRealTimers();
    }
  });

  test("keeps no connection where its channel is closed by whoever hears that the last one was lost", async () => {
    const harness = await readyBalancer([1]);
    harness.onState = () => harness.balancer.destroy();
    await harness.become(IDLE, 1);
    expect(harness.subchannel(1)).toMatchObject({ refs: 0, dials: 1 });
  });
});
