import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test, vi } from "vitest";
import { Doubt } from "./doubt.ts";

class Fixture {
  readonly clock = new FakeClock(1_000);
  readonly confirmed = vi.fn();
  heardAt = 0;
  readonly doubt: Doubt;

  constructor(random: () => number = () => 0.5) {
    this.doubt = new Doubt(this.clock, random);
  }

  raise(): void {
    this.doubt.raise(() => this.heardAt, this.confirmed);
  }
}

describe("a doubt", () => {
  test("comes true when the watch is silent for half a second", () => {
    const fixture = new Fixture();
    fixture.raise();
    fixture.clock.tick(499);
    expect(fixture.confirmed).not.toHaveBeenCalled();
    fixture.clock.tick(1);
    expect(fixture.confirmed).toHaveBeenCalledTimes(1);
    expect(fixture.clock.pending).toBe(0);
  });

  test("is spread over 250 to 750 ms: all clients of a pod are told of it at once", () => {
    const delays = Array.from({ length: 200 }, (_, seed) => {
      const fixture = new Fixture(seededRandom(seed));
      fixture.raise();
      return fixture.clock.nextInMs ?? Number.NaN;
    });
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(250);
    expect(Math.min(...delays)).toBeLessThan(270);
    expect(Math.max(...delays)).toBeLessThan(750);
    expect(Math.max(...delays)).toBeGreaterThan(730);
  });

  test("is dispelled by what the watch says meanwhile, not by what it said before", () => {
    const fixture = new Fixture();
    fixture.heardAt = fixture.clock.now() - 1;
    fixture.raise();
    fixture.clock.tick(100);
    fixture.heardAt = fixture.clock.now();
    fixture.clock.tick(400);
    expect(fixture.confirmed).not.toHaveBeenCalled();
    fixture.clock.tick(1_000);
    fixture.raise();
    fixture.clock.tick(500);
    expect(fixture.confirmed).toHaveBeenCalledTimes(1);
  });

  test("is dispelled by what the watch said in the same instant", () => {
    const fixture = new Fixture();
    fixture.heardAt = fixture.clock.now();
    fixture.raise();
    fixture.clock.tick(500);
    expect(fixture.confirmed).not.toHaveBeenCalled();
  });

  test("is one, however often it is raised", () => {
    const fixture = new Fixture();
    for (let turn = 0; turn < 100; turn++) {
      fixture.raise();
      fixture.clock.tick(1);
    }
    expect(fixture.clock.pending).toBe(1);
    fixture.clock.tick(500);
    expect(fixture.confirmed).toHaveBeenCalledTimes(1);
  });

  test("comes true ever more rarely while the watch tells of nothing: after 20, 40, 80 … 300 s", () => {
    const fixture = new Fixture();
    const times: number[] = [];
    fixture.confirmed.mockImplementation(() => times.push(fixture.clock.now()));
    for (let second = 0; second < 1_800; second++) {
      fixture.raise();
      fixture.clock.tick(1_000);
    }
    const gaps = times.slice(1).map((time, index) => Math.round((time - (times[index] ?? 0)) / 1_000));
    expect(gaps.slice(0, 6)).toEqual([20, 40, 80, 160, 300, 300]);
    expect(Math.max(...gaps)).toBe(300);
  });

  test("is as near as at first once the watch has told of a change", () => {
    const fixture = new Fixture();
    for (let second = 0; second < 200; second++) {
      fixture.raise();
      fixture.clock.tick(1_000);
    }
    fixture.confirmed.mockClear();
    fixture.doubt.dispel();
    fixture.clock.tick(10_000);
    fixture.raise();
    fixture.clock.tick(500);
    expect(fixture.confirmed).toHaveBeenCalledTimes(1);
    // and not nearer: ten seconds have to pass
    fixture.doubt.dispel();
    fixture.clock.tick(9_000);
    fixture.raise();
    fixture.clock.tick(500);
    expect(fixture.confirmed).toHaveBeenCalledTimes(1);
  });

  test("leaves no timer when it ends", () => {
    const fixture = new Fixture();
    fixture.raise();
    fixture.doubt.end();
    expect(fixture.clock.pending).toBe(0);
    fixture.clock.tick(1_000);
    expect(fixture.confirmed).not.toHaveBeenCalled();
  });
});
