import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { VirtualClock } from "./virtual-clock.ts";

test("timers fire in the order of their time, those of one instant in the order in which they were set", () => {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const expected: { at: number; order: number }[] = [];
  const fired: { at: number; order: number }[] = [];
  for (let order = 0; order < 2_000; order++) {
    const at = Math.floor(random() * 100);
    expected.push({ at, order });
    clock.setTimeout(() => fired.push({ at: clock.now(), order }), at);
  }
  clock.runUntil(1_000);
  expect(fired).toEqual(expected.sort((a, b) => a.at - b.at || a.order - b.order));
  expect(clock.now()).toBe(1_000);
});

test("timers that are set meanwhile fire in the same run, if they are due", () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const again = (): void => {
    fired.push(clock.now());
    clock.setTimeout(again, 10);
  };
  clock.setTimeout(again, -5); // as 0
  clock.runUntil(25);
  expect(fired).toEqual([0, 10, 20]);
  clock.runUntil(30);
  expect(fired).toEqual([0, 10, 20, 30]);
});

test("what is cancelled does not fire, also where others at its time do", () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const cancelled = clock.setTimeout(() => fired.push("cancelled"), 5);
  clock.setTimeout(() => fired.push("kept"), 5);
  clock.setTimeout(() => cancelled.cancel(), 4);
  clock.runUntil(10);
  expect(fired).toEqual(["kept"]);
});
