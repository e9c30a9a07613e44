import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { Probe } from "./probe.ts";

type OnEnd = (probe: Probe, startedMs: number, endMs: number) => void;

/** Runs RPCs of these durations, one after another in each of `bound` places, until the probe has its answer. */
function measure(bound: number, durations: () => number, onEnd: OnEnd): number {
  const probe = new Probe(bound, 0, 1_000_000);
  const ends = Array.from({ length: bound }, () => ({ startedMs: 0, endMs: durations() }));
  probe.pass(0, 0);
  for (;;) {
    ends.sort((a, b) => a.endMs - b.endMs);
    const first = ends[0] as { startedMs: number; endMs: number };
    probe.pass(first.endMs, bound);
    onEnd(probe, first.startedMs, first.endMs);
    if (probe.rttMs !== undefined) return probe.rttMs;
    first.startedMs = first.endMs;
    first.endMs += durations();
  }
}

test("measures the mean, though short RPCs end first", () => {
  const random = seededRandom(1);
  const durations = () => -Math.log(1 - random()) * 100;
  let measured = 0;
  let ended = 0;
  let sumMs = 0;
  for (let round = 0; round < 200; round++) {
    measured += measure(10, durations, (probe, startedMs, endMs) => {
      probe.leave();
      ended++;
      sumMs += endMs - startedMs;
    });
  }
  expect(measured / 200).toBeGreaterThan(95);
  expect(measured / 200).toBeLessThan(110);
  expect(sumMs / ended).toBeLessThan(85); // what the mean of those that ended would be
});

test("leaves out RPCs that do not count, and their time", () => {
  let count = 0;
  const rttMs = measure(
    10,
    () => 50,
    (probe, startedMs) => {
      if (count++ % 2 === 0) probe.leave();
      else probe.forget(startedMs);
    },
  );
  expect(Math.abs(rttMs - 50)).toBeLessThan(3);
});

test("counts nothing until what was open before has drained", () => {
  const probe = new Probe(5, 0, 1_000);
  probe.pass(10, 8);
  probe.leave();
  probe.pass(20, 7);
  probe.leave();
  for (let rpc = 0; rpc < 29; rpc++) {
    probe.pass(100 + rpc, 5);
    probe.leave();
  }
  expect(probe.rttMs).toBeUndefined();
});

test("takes at least 30 RPCs, and three for every place", () => {
  for (const [bound, least] of [
    [5, 30],
    [50, 150],
  ] as const) {
    let ended = 0;
    measure(
      bound,
      () => 10,
      (probe) => {
        ended++;
        probe.leave();
      },
    );
    expect(ended).toBe(least);
  }
});

test("gives up after twenty of the usual round trips", () => {
  const probe = new Probe(5, 1_000, 50);
  expect(probe.isOver(2_009)).toBe(false);
  expect(probe.isOver(2_010)).toBe(true);
});
