import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, failure, type LoadedCandidate, outcome } from "../../test-helpers/candidates.ts";
import { StatusCode } from "../errors.ts";
import { Latencies } from "./latencies.ts";

const decayMs = 10_000;

interface Harness {
  readonly clock: FakeClock;
  readonly latencies: Latencies;
  readonly set: readonly [LoadedCandidate, ...LoadedCandidate[]];
  /** The candidate with this index answers after `ms`. */
  answer(index: number, ms: number): void;
  /** What the scores say of the candidates, relative to that of the first. */
  ratios(): number[];
}

function harness(count: number): Harness {
  const clock = new FakeClock(1_000_000);
  const latencies = new Latencies(clock, decayMs);
  const set = candidates(count);
  const scores = latencies.follow(set);
  return {
    clock,
    latencies,
    set,
    answer: (index, ms) => latencies.report(set[index] as LoadedCandidate, outcome({ firstByteMs: ms })),
    ratios: () => Array.from(scores, (score) => (score || latencies.meanScore) / (scores[0] || latencies.meanScore)),
  };
}

describe("latencies", () => {
  test("are the first samples, and all the same before", () => {
    const { answer, ratios } = harness(3);
    expect(ratios()).toEqual([1, 1, 1]);
    answer(0, 10);
    answer(1, 20);
    expect(ratios()[1]).toBeCloseTo(2);
  });

  test("rise to a peak at once, and fall slowly", () => {
    const { answer, ratios, clock } = harness(2);
    for (let each = 0; each < 10; each++) {
      answer(0, 10);
      answer(1, 10);
    }
    answer(1, 500);
    expect(ratios()[1]).toBeCloseTo(50);
    const seen: number[] = [];
    for (let second = 0; second < 30; second++) {
      clock.tick(1_000);
      answer(0, 10);
      answer(1, 10);
      seen.push(ratios()[1] as number);
    }
    expect(seen).toEqual(seen.toSorted((a, b) => b - a));
    expect(seen[0]).toBeCloseTo(1 + 49 * Math.exp(-0.1));
    expect(seen[29]).toBeCloseTo(1 + 49 * Math.exp(-3));
  });

  test("fall by e in the decay time without samples", () => {
    const { answer, ratios, clock } = harness(2);
    answer(0, 10);
    answer(1, 1_000);
    clock.tick(decayMs);
    answer(0, 10);
    expect(ratios()[1]).toBeCloseTo(100 / Math.E);
  });

  test("of one of which nothing is known are the mean of the others, whatever their size", () => {
    for (const scale of [1, 1_000]) {
      const { answer, ratios } = harness(4);
      answer(0, scale);
      answer(1, 2 * scale);
      answer(2, 4 * scale);
      expect(ratios()[3]).toBeCloseTo(2);
    }
  });

  test("of a new one are not below half of that mean after its first answer, and above it at once", () => {
    const { answer, ratios } = harness(4);
    answer(0, 100);
    answer(1, 100);
    answer(2, 1);
    expect(ratios()[2]).toBeCloseTo(0.505);
    answer(3, 700);
    expect(ratios()[3]).toBeCloseTo(7);
  });

  test("are not those of failures that come at once, but those of failures that take long", () => {
    const { answer, ratios, latencies, set } = harness(2);
    answer(0, 10);
    answer(1, 10);
    for (let each = 0; each < 100; each++) latencies.report(set[1] as LoadedCandidate, failure);
    expect(ratios()[1]).toBeCloseTo(1);
    const timeout = outcome({
      code: StatusCode.deadlineExceeded,
      fate: "ambiguous",
      firstByteMs: undefined,
      durationMs: 2_000,
    });
    latencies.report(set[1] as LoadedCandidate, timeout);
    expect(ratios()[1]).toBeCloseTo(200);
  });

  test("are at least what an attempt waited that was given up, and nothing of one that was not sent", () => {
    const { answer, ratios, latencies, set } = harness(2);
    answer(0, 10);
    answer(1, 10);
    const given = outcome({ code: StatusCode.canceled, fate: "ambiguous", firstByteMs: undefined, durationMs: 5 });
    latencies.report(set[1] as LoadedCandidate, given);
    expect(ratios()[1]).toBeCloseTo(1);
    latencies.report(set[1] as LoadedCandidate, { ...given, durationMs: 70 });
    expect(ratios()[1]).toBeCloseTo(7);
    latencies.report(set[1] as LoadedCandidate, { ...given, durationMs: 900, fate: "unsent" });
    expect(ratios()[1]).toBeCloseTo(7);
  });

  test("of one that failed are those of others, or its own if that is more, and do not fall", () => {
    const { answer, latencies, set, clock } = harness(3);
    answer(0, 40);
    answer(1, 40);
    answer(2, 20); // the first: half-way between it and the others
    clock.tick(5 * decayMs);
    answer(0, 40);
    answer(1, 40);
    const scores = latencies.follow(set);
    expect(latencies.failedScore(set[2] as LoadedCandidate) / (scores[0] as number)).toBeCloseTo(
      (40 * 40 * 30) ** (1 / 3) / 40,
    );
    answer(2, 400);
    expect(latencies.failedScore(set[2] as LoadedCandidate) / (scores[0] as number)).toBeCloseTo(10);
  });

  test("stay when the set changes, also those of one that leaves and comes back", () => {
    const { answer, latencies, set } = harness(4);
    for (const [index, ms] of [10, 20, 30, 40].entries()) answer(index, ms);
    const [first, second, third, fourth] = set as [LoadedCandidate, LoadedCandidate, LoadedCandidate, LoadedCandidate];
    const fewer = latencies.follow([fourth, first]);
    expect((fewer[0] as number) / (fewer[1] as number)).toBeCloseTo(4);
    expect(latencies.meanScore / (fewer[1] as number)).toBeCloseTo(2);
    latencies.report(third, outcome({ firstByteMs: 60 })); // while it is away
    const all = latencies.follow([third, second, first, fourth]);
    expect(Array.from(all, (score) => score / (all[2] as number))).toEqual(
      [6, 2, 1, 4].map((ratio) => expect.closeTo(ratio)),
    );
  });

  test("agree with averages that are calculated the plain way, for days", () => {
    const random = seededRandom(5);
    const { answer, ratios, clock } = harness(3);
    const plain = [10, 10, 10].map((value) => ({ value, at: clock.now() }));
    for (const index of plain.keys()) answer(index, 10);
    for (let step = 0; step < 20_000; step++) {
      clock.tick(random() < 0.001 ? 1e6 * random() : 2_000 * random());
      const index = Math.floor(random() * 3);
      const sample = 1 + 100 * random() ** 8;
      answer(index, sample);
      const each = plain[index] as { value: number; at: number };
      const kept = Math.exp((each.at - clock.now()) / decayMs);
      each.value = sample > each.value ? sample : each.value * kept + sample * (1 - kept);
      each.at = clock.now();
      const now = plain.map(({ value, at }) => value * Math.exp((at - clock.now()) / decayMs));
      const [one, two, three] = now as [number, number, number];
      if (Math.min(one, two, three) < 1e-50) continue;
      expect((ratios()[1] as number) / (two / one)).toBeCloseTo(1, 6);
      expect((ratios()[2] as number) / (three / one)).toBeCloseTo(1, 6);
    }
  });

  test("change nothing when they are read", () => {
    const { answer, latencies, set, clock, ratios } = harness(2);
    answer(0, 10);
    answer(1, 70);
    const before = ratios();
    clock.tick(5_000);
    for (let each = 0; each < 100; each++) latencies.failedScore(set[1] as LoadedCandidate);
    expect(ratios()).toEqual(before);
  });
});
