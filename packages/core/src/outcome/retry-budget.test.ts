import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { RetryBudget } from "./retry-budget.ts";

/** How many retries it grants in a row, at most 10 000. */
function spend(budget: RetryBudget): number {
  let granted = 0;
  while (granted < 10_000 && budget.withdraw()) granted++;
  return granted;
}

describe("a retry budget", () => {
  test("starts with ten seconds of free retries, and no more", () => {
    expect(spend(new RetryBudget({ clock: new FakeClock() }))).toBe(100);
    expect(spend(new RetryBudget({ clock: new FakeClock(), minPerSecond: 3 }))).toBe(30);
  });

  test("grants the free retries of the time that passed, also of parts of a second", () => {
    const clock = new FakeClock(5_000);
    const budget = new RetryBudget({ clock, minPerSecond: 8 });
    spend(budget);
    clock.tick(1_000);
    expect(spend(budget)).toBe(8);
    let granted = 0;
    for (let step = 0; step < 16; step++) {
      clock.tick(62.5);
      granted += budget.withdraw() ? 1 : 0;
    }
    expect(granted).toBe(8);
  });

  test("grants a share of the RPCs beyond that", () => {
    const budget = new RetryBudget({ clock: new FakeClock(), ratio: 0.25 });
    spend(budget);
    for (let rpc = 0; rpc < 100; rpc++) budget.deposit();
    expect(spend(budget)).toBe(25);
  });

  test("grants one retry for every five RPCs by default", () => {
    const budget = new RetryBudget({ clock: new FakeClock() });
    spend(budget);
    for (let rpc = 0; rpc < 4; rpc++) budget.deposit();
    expect(budget.withdraw()).toBe(false);
    budget.deposit();
    expect(budget.withdraw()).toBe(true);
  });

  test("does not keep for ever what was paid in", () => {
    const clock = new FakeClock();
    const budget = new RetryBudget({ clock });
    for (let rpc = 0; rpc < 10_000; rpc++) budget.deposit();
    clock.tick(3_600_000);
    expect(spend(budget)).toBe(100);
  });

  test("lives on the RPCs' share alone where no retries are free", () => {
    const clock = new FakeClock();
    const budget = new RetryBudget({ clock, minPerSecond: 0, ratio: 0.25 });
    expect(budget.withdraw()).toBe(false);
    for (let rpc = 0; rpc < 8; rpc++) budget.deposit();
    clock.tick(60_000);
    expect(spend(budget)).toBe(2);
  });

  test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))("never grants more than it may, seed %d", (seed) => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const ratio = random() < 0.2 ? 0 : random();
    const minPerSecond = random() < 0.2 ? 0 : random() * 20;
    const budget = new RetryBudget({ clock, ratio, minPerSecond });
    let rpcs = 0;
    let granted = 0;
    for (let step = 0; step < 5_000; step++) {
      const dice = random();
      if (dice < 0.4) {
        budget.deposit();
        rpcs++;
      } else if (dice < 0.9) granted += budget.withdraw(random() < 0.5 ? 0 : random()) ? 1 : 0;
      else clock.tick(random() * 200);
      expect(granted).toBeLessThanOrEqual(
        10 * minPerSecond + (clock.now() / 1_000) * minPerSecond + rpcs * ratio + 1e-6,
      );
    }
    expect(granted > 0).toBe(ratio > 0 || minPerSecond > 0);
  });

  test("leaves to others what a withdrawal is to keep", () => {
    const budget = new RetryBudget({ clock: new FakeClock() });
    let granted = 0;
    while (budget.withdraw(0.5)) granted++;
    expect(granted).toBe(50);
    expect(spend(budget)).toBe(50);
  });

  test.each([
    [{ ratio: -0.1 }, /^retryBudget\.ratio: expected a number from 0 to 10, got -0\.1/],
    [{ ratio: "1" }, /^retryBudget\.ratio/],
    [{ minPerSecond: Number.POSITIVE_INFINITY }, /^retryBudget\.minPerSecond: expected a number from 0 to 1000000/],
    [{ perSecond: 1 }, /^perSecond: no option of retryBudget/],
  ])("refuses %j", (options, message) => {
    expect(() => new RetryBudget({ clock: new FakeClock(), ...(options as object) })).toThrow(message);
  });
});
