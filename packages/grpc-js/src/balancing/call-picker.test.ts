import { setImmediate as turn } from "node:timers/promises";
import { leastRequest, type PickResult, type Policy, roundRobin } from "@evenkeel/core";
import { connectivityState, experimental, Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { type BalancerHarness, pickFrom, podOf, pods, probe, readyBalancer } from "../../test-helpers/balancer.ts";

const { COMPLETE, DROP, QUEUE, TRANSIENT_FAILURE } = experimental.PickResultType;

/** From then on, picks whose calls did not start do not count. */
async function turnEnd(): Promise<void> {
  await turn();
  await turn();
}

/** A call that goes to `pod-<number>`. */
function pickOf(harness: BalancerHarness, number: number): experimental.PickResult {
  const call = harness.pick();
  return podOf(call) === number ? call : pickOf(harness, number);
}

function end(call: experimental.PickResult, code: status = status.OK, details = ""): void {
  call.onCallEnded?.(code, details, new Metadata());
}

/** A policy with one answer. */
function answering(result: PickResult<never>): Policy {
  return () => ({ pick: () => result });
}

describe("a call", () => {
  test("counts from its pick to its end; until the turn ends where it never starts", async () => {
    const { policy, given } = probe();
    const harness = await readyBalancer([1], policy);
    const inFlight = (): number | undefined => given[0]?.candidates[0]?.inFlight;
    const call = harness.pick();
    harness.pick();
    expect(inFlight()).toBe(2);
    call.onCallStarted?.();
    expect(inFlight()).toBe(2);
    await turnEnd();
    expect(inFlight()).toBe(1);
    end(call);
    expect(inFlight()).toBe(0);
  });

  test("that ended makes room for others", async () => {
    const harness = await readyBalancer([1, 2], leastRequest({ choices: 2 }));
    const [first, second] = [harness.pick(), harness.pick()];
    expect([first, second].map(podOf).sort()).toEqual([1, 2]);
    for (const call of [first, second]) call.onCallStarted?.();
    end(first);
    for (let pick = 0; pick < 4; pick++) {
      await turnEnd();
      expect(podOf(harness.pick())).toBe(podOf(first));
    }
  });

  test("is reported to the policy when it ended; its time is that since its credentials were there", async () => {
    const { policy, outcomes } = probe();
    const harness = await readyBalancer([1], policy);
    const call = harness.pick();
    harness.clock.tick(100);
    call.onCallStarted?.();
    harness.clock.tick(7);
    expect(outcomes).toEqual([]);
    end(call, status.INTERNAL, "broken");
    expect(outcomes).toEqual([{ code: 13, fate: "answered", firstByteMs: 7, durationMs: 7 }]);
  });

  test("is reported to the picker that is in use when it ends", async () => {
    const reports: number[] = [];
    let pickers = 0;
    const policy: Policy = (_, candidates, context) => {
      const number = ++pickers;
      const picker = roundRobin()(undefined, candidates, context);
      return { pick: (info) => picker.pick(info), report: () => reports.push(number) };
    };
    const harness = await readyBalancer([1], policy);
    const call = harness.pick();
    call.onCallStarted?.();
    await harness.resolve(pods(1));
    end(call);
    expect(reports).toEqual([2]);
  });

  test.each<[what: string, isRefused: boolean, happens: (harness: BalancerHarness) => unknown]>([
    ["that was refused on a connection that stays was refused by the endpoint", true, () => {}],
    ["that was refused on one that ends was not", false, (harness) => harness.become(connectivityState.IDLE, 1)],
    ["that was refused by one that left the set was not", false, (harness) => harness.resolve(pods(2))],
  ])("%s", async (_, isRefused, happens) => {
    const { policy, outcomes } = probe();
    const harness = await readyBalancer([1, 2], policy);
    const call = pickOf(harness, 1);
    call.onCallStarted?.();
    await happens(harness);
    end(call, status.UNAVAILABLE, "Stream refused by server");
    expect(outcomes).toMatchObject([{ fate: "unprocessed", isRefused }]);
  });

  test("ends well where the policy fails to take its outcome: that is a warning", async () => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
    try {
      const report = (): never => {
        throw new Error("out of order");
      };
      const policy: Policy = (_, [first]) => ({ pick: () => ({ kind: "complete", candidate: first }), report });
      const harness = await readyBalancer([1], policy);
      const call = harness.pick();
      call.onCallStarted?.();
      end(call);
      expect(emitWarning.mock.calls).toEqual([
        ["scripted: the policy failed: out of order", { code: "EVENKEEL_POLICY" }],
      ]);
    } finally {
      emitWarning.mockRestore();
    }
  });

  test("needs no policy that takes outcomes", async () => {
    const policy: Policy = (_, [first]) => ({ pick: () => ({ kind: "complete", candidate: first }) });
    const harness = await readyBalancer([1], policy);
    const call = harness.pick();
    call.onCallStarted?.();
    expect(() => end(call)).not.toThrow();
  });
});

describe("a pick", () => {
  test("is of the connection that the policy chose", async () => {
    const harness = await readyBalancer([1]);
    expect(harness.pick()).toMatchObject({ pickResultType: COMPLETE, status: null });
  });

  test("waits where the policy has none yet", async () => {
    const harness = await readyBalancer([1], answering({ kind: "queue" }));
    expect(harness.pick()).toEqual({
      pickResultType: QUEUE,
      subchannel: null,
      status: null,
      onCallStarted: null,
      onCallEnded: null,
    });
  });

  test.each([
    ["fail", "unless it waits for ready", TRANSIENT_FAILURE],
    ["drop", "in any case", DROP],
  ] as const)("that the policy answers with %s fails the call, %s", async (kind, _, pickResultType) => {
    const harness = await readyBalancer([1], answering({ kind, error: new Error("all are full") }));
    const result = harness.pick();
    expect(result).toMatchObject({ pickResultType, subchannel: null, onCallStarted: null, onCallEnded: null });
    expect(result.status).toMatchObject({ code: status.UNAVAILABLE, details: "all are full" });
  });

  test("that fails in the policy fails the call in any case", async () => {
    const broken: Policy = () => ({
      pick(): never {
        throw new Error("out of order");
      },
    });
    const harness = await readyBalancer([1], broken);
    expect(harness.pick()).toMatchObject({ pickResultType: DROP, status: { code: status.INTERNAL } });
  });

  test("of a picker that is no longer in use waits where the connection was lost, and counts nowhere", async () => {
    let inFlight: (() => number) | undefined;
    const policy: Policy = (_, [first]) => {
      inFlight = () => first.inFlight;
      return { pick: () => ({ kind: "complete", candidate: first }) };
    };
    const harness = await readyBalancer([1], policy);
    const { picker } = harness;
    await harness.become(connectivityState.IDLE, 1);
    expect(pickFrom(picker)).toMatchObject({ pickResultType: QUEUE, subchannel: null });
    expect(inFlight?.()).toBe(0);
  });

  test("gives the policy the metadata", async () => {
    const seen: (string | undefined)[] = [];
    const policy: Policy = (_, [first]) => ({
      pick(info) {
        seen.push(info.header?.("x-user"), info.header?.("x-none"));
        return { kind: "complete", candidate: first };
      },
    });
    const harness = await readyBalancer([1], policy);
    const metadata = new Metadata();
    metadata.add("x-user", "a");
    metadata.add("x-user", "b");
    harness.pick(metadata);
    expect(seen).toEqual(["a, b", undefined]);
  });
});
