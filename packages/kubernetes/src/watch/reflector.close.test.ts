import { describe, expect, test } from "vitest";
import { Reflecting, watching } from "../../test-helpers/reflecting.ts";
import { added, slice } from "../../test-helpers/slices.ts";

/** Closes, and lets ten minutes pass, in which a closed reflector does nothing. */
async function expectSilenceAfterClose(reflecting: Reflecting): Promise<void> {
  const { length } = reflecting.told;
  const requests = reflecting.api.requests.length;
  reflecting.reflector.close();
  for (const { signal, isOver } of reflecting.api.requests) expect(signal.aborted || isOver).toBe(true);
  expect(reflecting.api.closes).toBe(1);
  await reflecting.clock.advance(0);
  expect(reflecting.clock.pending).toBe(0);
  reflecting.reflector.hint();
  await reflecting.clock.advance(600_000);
  expect(reflecting.clock.pending).toBe(0);
  expect(reflecting.told).toHaveLength(length);
  expect(reflecting.api.requests).toHaveLength(requests);
}

describe("close()", () => {
  test("ends a list that is under way", async () => {
    const reflecting = new Reflecting();
    await expectSilenceAfterClose(reflecting);
    expect(reflecting.list.signal.aborted).toBe(true);
  });

  test("ends a list that was just answered, and one that just failed", async () => {
    const answered = new Reflecting();
    answered.list.slices("10", [slice("a")]);
    await expectSilenceAfterClose(answered);
    const failed = new Reflecting();
    failed.list.fail(new Error("no"));
    await expectSilenceAfterClose(failed);
  });

  test("ends a watch that waits for its answer, one that is open, and one that just ended", async () => {
    const unopened = new Reflecting();
    unopened.list.slices("10");
    await unopened.clock.advance(0);
    await expectSilenceAfterClose(unopened);
    expect(unopened.watch.signal.aborted).toBe(true);

    const open = await watching([slice("a")]);
    await expectSilenceAfterClose(open);
    expect(open.watch.signal.aborted).toBe(true);
    open.watch.open();
    open.watch.send(added(slice("b")));
    expect(open.log).toEqual(["[a]"]);

    const ended = await watching();
    await ended.clock.advance(2_000);
    ended.watch.end();
    await expectSilenceAfterClose(ended);
  });

  test("ends a doubt", async () => {
    const reflecting = await watching();
    reflecting.reflector.hint();
    await reflecting.clock.advance(100);
    await expectSilenceAfterClose(reflecting);
  });

  test("ends a pause", async () => {
    const reflecting = new Reflecting();
    reflecting.list.fail(new Error("no"));
    await reflecting.clock.advance(100);
    expect(reflecting.log).toEqual(["no"]);
    await expectSilenceAfterClose(reflecting);
  });

  test("ends a pause that just was over", async () => {
    const reflecting = new Reflecting();
    reflecting.list.fail(new Error("no"));
    await reflecting.clock.advance(0);
    reflecting.clock.tick(200);
    await expectSilenceAfterClose(reflecting);
  });

  test.each([
    ["synced by the list", (reflecting: Reflecting) => reflecting.list.slices("10")],
    ["failed", (reflecting: Reflecting) => reflecting.list.fail(new Error("no"))],
  ])("may be called by whoever is told: %s", async (_name, act) => {
    const reflecting = new Reflecting();
    reflecting.onTold = () => reflecting.reflector.close();
    act(reflecting);
    await reflecting.clock.advance(600_000);
    expect(reflecting.told).toHaveLength(1);
    expect(reflecting.api.log).toEqual(["list"]);
    expect(reflecting.api.closes).toBe(1);
    expect(reflecting.clock.pending).toBe(0);
  });

  test("may be called by whoever is told of events, and of the end of a failure", async () => {
    const byEvents = await watching();
    byEvents.onTold = () => byEvents.reflector.close();
    byEvents.watch.send(added(slice("a")));
    byEvents.watch.send(added(slice("b")));
    await byEvents.clock.advance(600_000);
    expect(byEvents.log).toEqual(["[]", "[a]"]);
    expect(byEvents.clock.pending).toBe(0);

    const byOpening = await watching();
    byOpening.watch.fail(new Error("lost"));
    await byOpening.clock.advance(200);
    byOpening.onTold = () => byOpening.reflector.close();
    byOpening.watch.open();
    await byOpening.clock.advance(600_000);
    expect(byOpening.log).toEqual(["[]", "lost", "[]"]);
    expect(byOpening.api.watches).toHaveLength(2);
    expect(byOpening.clock.pending).toBe(0);
  });
});
