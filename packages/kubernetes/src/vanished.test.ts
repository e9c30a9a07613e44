import { createEndpoint, type Endpoint, type ResolverUpdate } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { VanishedGuard } from "./vanished.ts";

const pod = (init: Partial<Endpoint> = {}): Endpoint => createEndpoint({ host: "10.0.0.1", port: 8080, ...init });
const set = (...endpoints: Endpoint[]): ResolverUpdate => ({ kind: "endpoints", endpoints });
const notFound = (): ResolverUpdate => ({ kind: "notFound", error: new Error("no such Service") });
const failure: ResolverUpdate = { kind: "error", error: new Error("away") };

class Fixture {
  readonly clock = new FakeClock();
  readonly told: ResolverUpdate[] = [];
  readonly guard: VanishedGuard;

  constructor(...updates: ResolverUpdate[]) {
    this.guard = new VanishedGuard((update) => this.told.push(update), this.clock);
    for (const update of updates) this.guard.tell(update);
    expect(this.told).toEqual(updates);
    this.told.length = 0;
  }
}

describe("the guard of vanished endpoints", () => {
  test.each([
    ["empty", set()],
    ["notFound", notFound()],
  ])("holds an %s set back for 10 s when it follows endpoints that were ready", (_name, update) => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(update);
    clock.tick(9_999);
    expect(told).toEqual([]);
    clock.tick(1);
    expect(told).toEqual([update]);
    expect(clock.pending).toBe(0);
  });

  test("tells of endpoints at once, which end the hold", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(set());
    clock.tick(5_000);
    const back = set(pod());
    guard.tell(back);
    expect(told).toEqual([back]);
    expect(clock.pending).toBe(0);
    guard.tell(set());
    clock.tick(9_999);
    expect(told).toEqual([back]);
    clock.tick(1);
    expect(told).toEqual([back, set()]);
  });

  test("tells the last of what it held, 10 s after the first", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(set());
    clock.tick(6_000);
    const last = notFound();
    guard.tell(set());
    guard.tell(last);
    clock.tick(4_000);
    expect(told).toEqual([last]);
    clock.tick(60_000);
    expect(told).toHaveLength(1);
  });

  test("holds nothing back after a set that served nothing", () => {
    for (const before of [
      [],
      [set()],
      [notFound()],
      [set(pod({ ready: false, serving: false }))],
      [set(pod({ ready: false, serving: true, terminating: true }))],
      [set(pod()), set(pod({ ready: false, serving: true, terminating: true }))],
    ]) {
      const { clock, guard, told } = new Fixture(...before);
      guard.tell(set());
      expect(told).toEqual([set()]);
      expect(clock.pending).toBe(0);
    }
  });

  test("holds on to one that is ready among those that terminate", () => {
    const { guard, told } = new Fixture(set(pod({ terminating: true }), pod({ key: "other" })));
    guard.tell(set());
    expect(told).toEqual([]);
    guard.close();
  });

  test("tells at once what could not be learnt, which neither begins a hold nor ends one", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.failed(failure.error);
    guard.tell(set());
    guard.failed(failure.error);
    expect(told).toEqual([failure, failure]);
    clock.tick(10_000);
    expect(told).toEqual([failure, failure, set()]);
  });

  test("ends a hold with what slices that are there again say, be it an error", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(set());
    guard.tell(failure);
    clock.tick(10_000);
    expect(told).toEqual([failure]);
  });

  test("takes the set that it told at last for what is known", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(set());
    clock.tick(10_000);
    guard.tell(notFound());
    expect(told).toHaveLength(2);
  });

  test("tells nothing after close", () => {
    const { clock, guard, told } = new Fixture(set(pod()));
    guard.tell(set());
    guard.close();
    expect(clock.pending).toBe(0);
    clock.tick(60_000);
    expect(told).toEqual([]);
  });
});
