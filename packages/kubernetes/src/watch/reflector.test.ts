import { describe, expect, test } from "vitest";
import { Reflecting, watching } from "../../test-helpers/reflecting.ts";
import { added, bookmark, deleted, modified, podEndpoint, slice } from "../../test-helpers/slices.ts";

describe("a reflector", () => {
  test("lists, tells of all slices, and watches from the list's version on", async () => {
    const reflecting = new Reflecting();
    expect(reflecting.api.log).toEqual(["list"]);
    reflecting.list.slices("41", [slice("a", { version: "7" }), slice("b", { version: "40" })]);
    await reflecting.clock.advance(0);
    expect(reflecting.log).toEqual(["[a b]"]);
    expect(reflecting.api.log).toEqual(["list", "watch 41"]);
  });

  test("tells of a Service without slices, too", async () => {
    const reflecting = await watching();
    expect(reflecting.log).toEqual(["[]"]);
  });

  test("tells nothing when the watch opens: the list said it all", async () => {
    const reflecting = await watching([slice("a")]);
    expect(reflecting.told).toHaveLength(1);
  });

  test("tells of what arrived at a time once, at once", async () => {
    const reflecting = await watching([slice("a")]);
    const changed = slice("b", { version: "12", endpoints: [podEndpoint(1)] });
    reflecting.watch.send(
      added(slice("b", { version: "11" })),
      modified(changed),
      added(slice("c", { version: "13" })),
    );
    expect(reflecting.log).toEqual(["[a]", "[a b c]"]);
    expect(reflecting.told[1]).toContain(changed);
    reflecting.watch.send(deleted(slice("a", { version: "14" })));
    expect(reflecting.log.slice(2)).toEqual(["[b c]"]);
  });

  test("keeps the objects of slices that did not change, and hands out lists that do not change", async () => {
    const [a, b] = [slice("a"), slice("b")];
    const reflecting = await watching([a, b]);
    const first = reflecting.told[0];
    reflecting.watch.send(modified(slice("b", { version: "11" })));
    const second = reflecting.told[1] as readonly unknown[];
    expect(first).toEqual([a, b]);
    expect(second[0]).toBe(a);
    expect(second[1]).not.toBe(b);
  });

  test("goes on from the last version that it heard of, of a change or of a bookmark", async () => {
    for (const [events, version] of [
      [[added(slice("a", { version: "11" }))], "11"],
      [[added(slice("a", { version: "11" })), bookmark("25")], "25"],
      [[bookmark("25"), deleted(slice("a", { version: "26" }))], "26"],
      [[bookmark("98765432109876543210")], "98765432109876543210"],
    ] as const) {
      const reflecting = await watching();
      reflecting.watch.send(...events);
      await reflecting.clock.advance(5_000);
      reflecting.watch.end();
      await reflecting.clock.advance(0);
      expect(reflecting.api.log).toEqual(["list", "watch 10", `watch ${version}`]);
    }
  });

  test("tells nothing of a bookmark", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.watch.send(bookmark("25"), bookmark("26"));
    expect(reflecting.told).toHaveLength(1);
  });

  test("watches on at once when the server ends a watch in good order, and tells nothing of it", async () => {
    const reflecting = await watching([slice("a")]);
    for (let round = 0; round < 20; round++) {
      await reflecting.clock.advance(1_000);
      reflecting.watch.end();
      await reflecting.clock.advance(0);
      reflecting.watch.open();
    }
    expect(reflecting.api.watches.map(({ at }) => at)).toEqual(Array.from({ length: 21 }, (_, index) => index * 1_000));
    expect(reflecting.api.lists).toHaveLength(1);
    expect(reflecting.log).toEqual(["[a]"]);
  });

  test("leaves no timer of a watch that has ended", async () => {
    const reflecting = await watching();
    const { pending } = reflecting.clock;
    for (let round = 0; round < 5; round++) {
      await reflecting.clock.advance(2_000);
      reflecting.watch.end();
      await reflecting.clock.advance(0);
      reflecting.watch.open();
    }
    expect(reflecting.clock.pending).toBe(pending);
  });
});

describe("what a server should not say", () => {
  test("the deletion of a slice that nobody knows is told as a change, and does no harm", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.watch.send(deleted(slice("nobody", { version: "11" })));
    expect(reflecting.log).toEqual(["[a]", "[a]"]);
  });

  test("a change of a slice that nobody knows makes it known", async () => {
    const reflecting = await watching();
    reflecting.watch.send(modified(slice("a", { version: "11" })));
    expect(reflecting.log).toEqual(["[]", "[a]"]);
  });

  test("one that is added twice is one, and the later one counts", async () => {
    const reflecting = await watching([slice("a"), slice("a", { version: "2" })]);
    const third = slice("a", { version: "11" });
    reflecting.watch.send(added(third));
    expect(reflecting.log).toEqual(["[a]", "[a]"]);
    expect(reflecting.told[1]).toEqual([third]);
  });

  test("names that objects of their own have are names", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const reflecting = await watching(names.map((name) => slice(name)));
    expect(reflecting.log).toEqual(["[__proto__ constructor toString hasOwnProperty]"]);
    reflecting.watch.send(deleted(slice("__proto__", { version: "11" })));
    expect(reflecting.log[1]).toBe("[constructor toString hasOwnProperty]");
    expect(Object.prototype).not.toHaveProperty("metadata");
  });

  test("an event without a version leaves the last one", async () => {
    const reflecting = await watching();
    const unversioned = { ...slice("a"), metadata: { name: "a" } };
    reflecting.watch.send(added(unversioned), bookmark("12"), added(unversioned));
    await reflecting.clock.advance(2_000);
    reflecting.watch.end();
    await reflecting.clock.advance(0);
    expect(reflecting.watch.version).toBe("12");
  });

  test("what it says after its watch was aborted is not heard", async () => {
    const reflecting = await watching([slice("a")]);
    const stalled = reflecting.watch;
    await reflecting.clock.advance(90_010);
    expect(stalled.signal.aborted).toBe(true);
    const { pending } = reflecting.clock;
    stalled.open();
    expect(reflecting.clock.pending).toBe(pending);
    stalled.send(added(slice("late", { version: "99" })));
    reflecting.watch.open();
    expect(reflecting.log).toEqual(["[a]"]);
    await reflecting.clock.advance(2_000);
    reflecting.watch.end();
    await reflecting.clock.advance(0);
    expect(reflecting.watch.version).toBe("10");
  });
});
