import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { Idleness } from "./idleness.ts";

function start(maxConnectionIdleMs: number): {
  clock: FakeClock;
  settings: { maxConnectionIdleMs: number };
  idleness: Idleness;
  /** When it was told to be idle. */
  told: number[];
} {
  const clock = new FakeClock();
  const told: number[] = [];
  const begin = clock.now();
  const settings = { maxConnectionIdleMs, clock };
  return { clock, settings, told, idleness: new Idleness(settings, () => told.push(clock.now() - begin)) };
}

test("a connection on which nothing begins is idle from its beginning", () => {
  const { clock, told } = start(1_000);
  clock.tick(999);
  expect(told).toEqual([]);
  clock.tick(1);
  expect(told).toEqual([1_000]);
});

test("it is not idle while a stream is open, however long, and counts from the end of the last one", () => {
  const { clock, told, idleness } = start(1_000);
  clock.tick(500);
  idleness.begin();
  idleness.begin();
  clock.tick(5_000);
  idleness.end();
  clock.tick(5_000);
  expect(idleness.openStreams).toBe(1);
  idleness.end();
  clock.tick(999);
  expect(told).toEqual([]);
  clock.tick(1);
  expect(told).toEqual([11_500]);
});

test("streams that come and go start no timers", () => {
  const { clock, told, idleness } = start(1_000);
  for (let stream = 0; stream < 100; stream++) {
    idleness.begin();
    idleness.end();
    expect(clock.pending).toBe(1);
    clock.tick(100);
  }
  expect(told).toEqual([]);
  clock.tick(900);
  expect(told).toEqual([10_900]);
  expect(clock.pending).toBe(0);
});

test("a changed limit counts from the same moment; Infinity ends it; stopped, it only counts", () => {
  const { clock, settings, told, idleness } = start(Number.POSITIVE_INFINITY);
  expect(clock.pending).toBe(0);
  idleness.begin();
  idleness.end();
  clock.tick(400);
  settings.maxConnectionIdleMs = 1_000;
  idleness.review();
  clock.tick(500);
  settings.maxConnectionIdleMs = Number.POSITIVE_INFINITY;
  idleness.review();
  expect(clock.pending).toBe(0);
  settings.maxConnectionIdleMs = 100;
  idleness.review();
  expect(told).toEqual([900]);
  idleness.stop();
  idleness.begin();
  idleness.end();
  idleness.review();
  expect([clock.pending, idleness.openStreams]).toEqual([0, 0]);
});

test("a limit that was Infinity counts from the end of the last stream as well", () => {
  const { clock, settings, told, idleness } = start(Number.POSITIVE_INFINITY);
  clock.tick(10_000);
  idleness.begin();
  idleness.end();
  settings.maxConnectionIdleMs = 1_000;
  idleness.review();
  expect(told).toEqual([]);
  clock.tick(1_000);
  expect(told).toEqual([11_000]);
});
