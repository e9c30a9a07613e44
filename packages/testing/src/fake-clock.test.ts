import { describe, expect, test } from "vitest";
import { FakeClock } from "./fake-clock.ts";

describe("FakeClock", () => {
  test("fires timers in order of time, then of creation, each at its own time", () => {
    const clock = new FakeClock(100);
    const fired: string[] = [];
    const note = (name: string) => () => fired.push(`${name}@${clock.now()}`);
    clock.setTimeout(note("late"), 30);
    clock.setTimeout(note("first"), 10);
    clock.setTimeout(note("second"), 10);
    clock.setTimeout(note("past"), -5);
    clock.tick(29);
    expect(fired).toEqual(["past@100", "first@110", "second@110"]);
    expect(clock.now()).toBe(129);
    expect(clock.nextInMs).toBe(1);
    clock.tick(1);
    expect(fired.at(-1)).toBe("late@130");
    expect(clock.nextInMs).toBeUndefined();
  });

  test("fires timers that are set while it moves, and none before setTimeout has returned", () => {
    const clock = new FakeClock();
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.now());
      if (fired.length < 4) clock.setTimeout(again, 10);
    };
    clock.setTimeout(again, 0);
    expect(fired).toEqual([]);
    clock.tick(25);
    expect(fired).toEqual([0, 10, 20]);
    expect(clock.pending).toBe(1);
  });

  test("counts what is pending and what is ref'd", () => {
    const clock = new FakeClock();
    const plain = clock.setTimeout(() => {}, 5);
    const ref = clock.setTimeout(() => {}, 5, { ref: true });
    clock.setTimeout(() => {}, Number.POSITIVE_INFINITY);
    expect([clock.pending, clock.pendingRef]).toEqual([3, 1]);
    plain.cancel();
    plain.cancel();
    expect([clock.pending, clock.pendingRef]).toEqual([2, 1]);
    clock.tick(5);
    ref.cancel();
    expect([clock.pending, clock.pendingRef]).toEqual([1, 0]);
  });

  test("does not fire what an earlier timer of the same instant cancelled", () => {
    const clock = new FakeClock();
    let fired = false;
    clock.setTimeout(() => later.cancel(), 5);
    const later = clock.setTimeout(() => {
      fired = true;
    }, 5);
    clock.tick(10);
    expect(fired).toBe(false);
  });

  test("advance lets promises settle before, between and after timers", async () => {
    const clock = new FakeClock();
    const sleep = (ms: number) => new Promise<void>((resolve) => clock.setTimeout(resolve, ms));
    const seen: number[] = [];
    const work = (async () => {
      await Promise.resolve();
      for (let turn = 0; turn < 3; turn++) {
        await sleep(10);
        seen.push(clock.now());
      }
    })();
    await clock.advance(35);
    expect(seen).toEqual([10, 20, 30]);
    await work;
  });

  test("tick gives promises no turn", async () => {
    const clock = new FakeClock();
    let settled = false;
    const work = new Promise<void>((resolve) => clock.setTimeout(resolve, 1)).then(() => {
      settled = true;
    });
    clock.tick(1);
    expect(settled).toBe(false);
    await work;
  });

  test("a callback that throws ends the move at its time, and the clock can go on", async () => {
    const clock = new FakeClock();
    clock.setTimeout(() => {
      throw new Error("boom");
    }, 5);
    await expect(clock.advance(10)).rejects.toThrow("boom");
    expect(clock.now()).toBe(5);
    clock.tick(5);
    expect(clock.now()).toBe(10);
  });

  test("refuses moves that overlap, and times that are none", async () => {
    const clock = new FakeClock();
    const first = clock.advance(1);
    await expect(clock.advance(1)).rejects.toThrow(/already being moved/);
    await first;
    expect(() => clock.tick(-1)).toThrow(RangeError);
    expect(() => clock.tick(Number.POSITIVE_INFINITY)).toThrow(RangeError);
    expect(() => clock.setTimeout(() => {}, Number.NaN)).toThrow(RangeError);
    expect(() => new FakeClock(Number.NaN)).toThrow(RangeError);
  });

  test("reports a timer that sets itself again at 0 ms instead of hanging", () => {
    const clock = new FakeClock();
    const again = (): void => void clock.setTimeout(again, 0);
    again();
    expect(() => clock.tick(1)).toThrow(/sets itself again at 0 ms/);
  });
});
