import { describe, expect, test } from "vitest";
import { type Second, Zones, type ZonesOptions } from "../../test-helpers/zones.ts";
import { leastRequest } from "./least-request.ts";
import { locality } from "./locality.ts";
import type { LocalityOptions } from "./locality-options.ts";

function zones(options: Omit<ZonesOptions, "policy">, own: LocalityOptions = {}): Zones {
  return new Zones({ ...options, policy: (zone) => locality({ zone, ...own }, leastRequest()) });
}

/** What each pod got, relative to the mean. */
function loads(seconds: readonly Second[]): number[] {
  const received = new Map<string, number>();
  for (const second of seconds) {
    for (const [key, count] of second.received) received.set(key, (received.get(key) ?? 0) + count);
  }
  const counts = [...received.values()];
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.map((count) => count / mean);
}

function localShares(seconds: readonly Second[], zone: string): number[] {
  return seconds.map(({ localShare }) => localShare.get(zone) ?? Number.NaN);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

/** In windows of five seconds. */
function* windows(seconds: readonly Second[]): Generator<readonly Second[]> {
  for (let start = 0; start + 5 <= seconds.length; start += 5) yield seconds.slice(start, start + 5);
}

const even = { a: 3, b: 3, c: 3 };

describe("zones of the same size", () => {
  test.each([
    ["idle", 20],
    ["busy", 100],
    ["busy at 80 %", 320],
  ])("keep their RPCs, %s", (_, rpcsPerSecond) => {
    const seconds = zones({ pods: even, clients: even, rpcsPerSecond, crossingMs: 0.2 }).run(20);
    for (const zone of ["a", "b", "c"]) expect(mean(localShares(seconds, zone))).toBeGreaterThan(0.95);
  });
});

describe("zones of 6, 3 and 1 pods, with as many clients in each", () => {
  const options = { pods: { a: 6, b: 3, c: 1 }, clients: even, rpcsPerSecond: 200 };

  test("have no pod that is much above the mean: the small zone spills", () => {
    const seconds = zones(options).run(30);
    for (const window of windows(seconds)) expect(Math.max(...loads(window))).toBeLessThan(1.35);
    expect(Math.max(...loads(seconds))).toBeLessThan(1.3);
    expect(mean(localShares(seconds, "c"))).toBeCloseTo(0.37, 1);
    expect(mean(localShares(seconds, "a"))).toBeGreaterThan(0.95);
    expect(mean(localShares(seconds, "b"))).toBeGreaterThan(0.95);
  });

  test("overload the pod of the small zone where nothing is to spill", () => {
    expect(Math.max(...loads(zones(options, { maxLoadRatio: Number.POSITIVE_INFINITY }).run(10)))).toBeGreaterThan(3);
  });
});

describe("clients that are not spread as pods are", () => {
  // two of six pods have 20 % more to do than they can
  const options = { pods: { a: 2, b: 2, c: 2 }, clients: { a: 6 }, rpcsPerSecond: 160 };

  test("spill what overloads their zone, and no more, steadily", () => {
    const seconds = zones(options).run(60);
    const settled = seconds.slice(15);
    for (const { meanMs } of seconds.slice(8)) expect(meanMs).toBeLessThan(30);
    for (const window of windows(settled)) {
      const share = mean(localShares(window, "a"));
      expect(share).toBeGreaterThan(0.58);
      expect(share).toBeLessThan(0.76);
    }
  });

  test("let their zone drown where nothing is measured", () => {
    const seconds = zones(options, { remoteProbeFraction: 0 }).run(20);
    expect(seconds.at(-1)?.meanMs).toBeGreaterThan(1_000);
  });

  test("spill within seconds also where each client sends little", () => {
    const many = { pods: { a: 2, b: 2 }, clients: { a: 60 }, rpcsPerSecond: 16 };
    const seconds = zones(many).run(40);
    for (const { meanMs } of seconds.slice(20)) expect(meanMs).toBeLessThan(30);
  });
});
