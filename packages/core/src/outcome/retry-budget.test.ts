import { FakeClock } from "@evenkeel/testing";
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
});
