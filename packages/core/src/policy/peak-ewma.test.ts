import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  candidates,
  type LoadedCandidate,
  outcome,
  pick,
  pickKeys,
  policyContext,
  shares,
  weightsInOrder,
} from "../../test-helpers/candidates.ts";
import { LoadSimulation, service } from "../../test-helpers/load-simulation.ts";
import type { Picker } from "../picker/picker.ts";
import { peakEwma } from "./peak-ewma.ts";

function answer(picker: Picker<LoadedCandidate>, candidate: LoadedCandidate | undefined, firstByteMs: number): void {
  if (candidate === undefined) throw new Error("there is no such candidate");
  picker.report?.(candidate, outcome({ firstByteMs }));
}

describe("peak EWMA", () => {
  test("compares two distinct candidates, drawn evenly", () => {
    const set = candidates(9);
    const picker = peakEwma()(undefined, set, policyContext({ random: seededRandom(1) }));
    for (const [index, each] of set.entries()) answer(picker, each, 1 + index);
    const counts = shares(picker, 360_000);
    // the slowest never wins; the k-th slowest wins against the k - 1 that are slower
    for (let rank = 0; rank < 9; rank++) {
      expect(Math.abs((counts.get(`pod-${9 - rank}`) ?? 0) - 10_000 * rank)).toBeLessThan(1_500);
    }
    expect(counts.get("pod-9") ?? 0).toBe(0);
  });

  test("weighs latency against RPCs in flight", () => {
    const set = candidates(2);
    const picker = peakEwma()(undefined, set, policyContext());
    answer(picker, set[0], 10);
    answer(picker, set[1], 50);
    const order: string[] = [];
    for (let rpc = 0; rpc < 12; rpc++) {
      const picked = pick(picker);
      picked.inFlight++;
      order.push(picked.endpoint.key);
    }
    expect(order.slice(0, 4)).toEqual(["pod-1", "pod-1", "pod-1", "pod-1"]);
    expect(order.filter((key) => key === "pod-2")).toHaveLength(2);
  });

  test("relates what is in flight to weights, and draws by them", () => {
    const weights = Array.from({ length: 12 }, (_, index) => (index === 0 ? 0.1 : 1));
    const simulation = new LoadSimulation({
      policy: peakEwma(),
      pods: weights.map((_, index) => service(20, 0, 1, index)),
      weights,
      rate: 3_000,
    });
    const counts = simulation.run(20);
    const fair = 0.1 / 11.1;
    expect((counts[0] as number) / 60_000 / fair).toBeGreaterThan(0.3);
    expect((counts[0] as number) / 60_000 / fair).toBeLessThan(2);

    const set = candidates(2, [10, 40]);
    const picker = peakEwma()(undefined, set, policyContext({ weightOf: weightsInOrder([1, 5]) }));
    expect(new Set(pickKeys(picker, 20))).toEqual(new Set(["pod-2"]));
  });

  test("sends less to a slow pod, but goes on to look at it", () => {
    const pods = Array.from({ length: 10 }, (_, index) => service(index === 0 ? 200 : 10, 0, 1, index));
    const [slow] = new LoadSimulation({ policy: peakEwma(), pods, rate: 1_000 }).run(120);
    expect((slow as number) / 12_000).toBeLessThan(0.2);
    expect(slow).toBeGreaterThan(0);
  });

  test("finds out when a slow pod has become fast", () => {
    const fast = service(10);
    const slow = service(1_000);
    const pods = Array.from({ length: 5 }, () => fast);
    pods[0] = (now, inFlight) => (now < 60_000 ? slow : fast)(now, inFlight);
    const simulation = new LoadSimulation({ policy: peakEwma(), pods, rate: 200 });
    expect((simulation.run(60)[0] as number) / 2_400).toBeLessThan(0.2);
    simulation.run(60);
    expect((simulation.run(60)[0] as number) / 2_400).toBeGreaterThan(0.7);
  });

  test("keeps away from a frozen pod, of which no outcome tells", () => {
    const pods = Array.from({ length: 6 }, () => service(20));
    pods[2] = (now, inFlight) => (now > 20_000 ? undefined : service(20)(now, inFlight));
    const simulation = new LoadSimulation({ policy: peakEwma(), pods, rate: 600 });
    simulation.run(20);
    expect(simulation.run(1)[2]).toBeLessThan(25); // of 100
    expect(simulation.run(9)[2]).toBeLessThan(15); // of 900
  });

  test.each([1, 100, 1_000])("neither floods nor starves one that joins others that take %d ms", (ms) => {
    const pods = Array.from({ length: 11 }, (_, index) => service(ms, 0, 1, index));
    const simulation = new LoadSimulation({ policy: peakEwma(), pods, rate: 500 });
    const all = pods.map((_, index) => index);
    simulation.change(all.slice(0, 10));
    simulation.run(30);
    simulation.change(all);
    for (let second = 0; second < 20; second++) {
      const joined = simulation.run(2)[10] as number;
      expect(joined / 1_000).toBeGreaterThan(0.02);
      expect(joined / 1_000).toBeLessThan(0.25);
    }
  });

  test("keeps what it has learnt when the set changes, also of one that was away", () => {
    const policy = peakEwma();
    const context = policyContext({ random: seededRandom(4) });
    const set = candidates(4);
    let picker = policy(undefined, set, context);
    for (const [index, ms] of [10, 300, 20, 40].entries()) answer(picker, set[index], ms);
    const [first, slow, ...rest] = set as unknown as [LoadedCandidate, LoadedCandidate, ...LoadedCandidate[]];
    picker = policy(picker, [first, ...rest], context);
    const counts = shares(picker, 3_000);
    expect(counts.get("pod-4") ?? 0).toBe(0);
    expect(counts.get("pod-1")).toBeGreaterThan(1_800);
    picker = policy(picker, [first, slow, ...rest], context);
    expect(shares(picker, 3_000).get("pod-2") ?? 0).toBe(0);
  });

  test("serves one, and two", () => {
    expect(pickKeys(peakEwma()(undefined, candidates(1), policyContext()), 2)).toEqual(["pod-1", "pod-1"]);
    const counts = shares(peakEwma()(undefined, candidates(2), policyContext()), 10_000);
    for (const count of counts.values()) expect(Math.abs(count - 5_000)).toBeLessThan(250);
  });

  test("does not read the clock to pick", () => {
    const clock = new FakeClock();
    let reads = 0;
    const counting = { now: () => ++reads && clock.now(), setTimeout: clock.setTimeout.bind(clock) };
    const picker = peakEwma()(undefined, candidates(20), policyContext({ clock: counting }));
    reads = 0;
    pickKeys(picker, 100);
    expect(reads).toBe(0);
  });

  test.each([
    [{ decayMs: 0 }, RangeError, "decayMs: expected a number from 1 to 2147483647 milliseconds, got 0"],
    [{ decayMs: Number.NaN }, RangeError, "decayMs"],
    [{ decayMs: "10s" }, TypeError, "decayMs: expected a number from 1 to 2147483647 milliseconds, got 10s"],
    [{ decay: 1 }, TypeError, "decay: no option of peakEwma, which has decayMs"],
  ])("refuses %j", (options, type, message) => {
    expect(() => peakEwma(options as object)).toThrow(type);
    expect(() => peakEwma(options as object)).toThrow(message);
  });
});
