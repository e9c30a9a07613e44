import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { CallCount } from "./call-count.ts";

test("a call counts from its pick to its end", async () => {
  const calls = new CallCount();
  calls.picked();
  calls.picked();
  expect(calls.value).toBe(2);
  calls.started();
  calls.started();
  expect(calls.value).toBe(2);
  await turn();
  await turn();
  expect(calls.value).toBe(2);
  calls.ended();
  calls.ended();
  expect(calls.value).toBe(0);
});

test("a pick whose call never starts counts for one turn of the event loop", async () => {
  const calls = new CallCount();
  calls.picked();
  expect(calls.value).toBe(1);
  await turn();
  await turn();
  expect(calls.value).toBe(0);
  calls.picked();
  expect(calls.value).toBe(1);
});

test("a call that starts in a later turn, as with credentials that are fetched, counts from then on", async () => {
  const calls = new CallCount();
  calls.picked();
  await turn();
  await turn();
  calls.started();
  calls.picked();
  expect(calls.value).toBe(2);
  calls.started();
  expect(calls.value).toBe(2);
});

test("calls that were picked in several turns, and start in one, count once each", async () => {
  const calls = new CallCount();
  calls.picked();
  await turn();
  await turn();
  calls.picked();
  calls.started();
  calls.started();
  expect(calls.value).toBe(2);
  calls.picked();
  expect(calls.value).toBe(3);
});
