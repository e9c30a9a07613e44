import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { LateClock } from "../../../core/test-helpers/late-clock.ts";
import { Reflecting, watching } from "../../test-helpers/reflecting.ts";
import { added, bookmark, slice } from "../../test-helpers/slices.ts";

describe("a silent API server", () => {
  test("is asked anew when it does not answer within 30 s: a list, and a watch", async () => {
    const reflecting = new Reflecting();
    await reflecting.clock.advance(30_010);
    expect(reflecting.list.signal.aborted).toBe(true);
    expect(reflecting.log).toEqual(["no answer within 30000 ms"]);
    await reflecting.clock.advance(200);
    reflecting.list.slices("10");
    await reflecting.clock.advance(30_010);
    expect(reflecting.watch.signal.aborted).toBe(true);
    expect(reflecting.log).toEqual(["no answer within 30000 ms", "[]", "no answer within 30000 ms"]);
    await reflecting.clock.advance(400);
    expect(reflecting.api.log).toEqual(["list", "list", "watch 10", "watch 10"]);
  });

  test("whose watch says nothing for 90 s gets another from the last version, which is no failure", async () => {
    const reflecting = await watching([slice("a")]);
    await reflecting.clock.advance(60_000);
    reflecting.watch.send(bookmark("20"));
    await reflecting.clock.advance(90_009);
    expect(reflecting.api.watches).toHaveLength(1);
    await reflecting.clock.advance(1);
    expect(reflecting.api.log).toEqual(["list", "watch 10", "watch 20"]);
    expect(reflecting.api.watches[0]?.signal.aborted).toBe(true);
    expect(reflecting.log).toEqual(["[a]"]);
  });

  test("that sends a bookmark each minute keeps its watch", async () => {
    const reflecting = await watching();
    for (let minute = 1; minute <= 60; minute++) {
      await reflecting.clock.advance(60_000);
      reflecting.watch.send(bookmark(`${minute}`));
    }
    expect(reflecting.api.watches).toHaveLength(1);
  });

  test("is listed after 2, 4, 8 … stalls in a row: it may have been set back", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.api.onRequest = (request) => {
      if (request.kind === "list") request.slices("3", [slice("b")]);
      else if (request.kind === "watch") request.open();
    };
    for (let stall = 1; stall <= 20; stall++) await reflecting.clock.advance(90_010);
    const lists = reflecting.api.log.flatMap((entry, index) => (entry === "list" ? [index] : []));
    const stallsBefore = lists.map((index) => reflecting.api.log.slice(0, index).filter((entry) => entry !== "list"));
    expect(stallsBefore.map(({ length }) => length)).toEqual([0, 2, 4, 8, 16]);
    expect(reflecting.log).toEqual(["[a]", "[b]", "[b]", "[b]", "[b]"]);
    expect(reflecting.watch.version).toBe("3");
  });

  test("is not listed after stalls with a failure between", async () => {
    const reflecting = await watching();
    for (let round = 0; round < 4; round++) {
      await reflecting.clock.advance(90_010);
      reflecting.watch.open();
      await reflecting.clock.advance(2_000);
      reflecting.watch.fail(new Error("lost"));
      await reflecting.clock.advance(200);
      reflecting.watch.open();
    }
    expect(reflecting.api.lists).toHaveLength(1);
  });

  test("is not listed when anything was heard between two stalls", async () => {
    const reflecting = await watching();
    for (let round = 0; round < 4; round++) {
      await reflecting.clock.advance(90_010);
      reflecting.watch.open();
      reflecting.watch.send(bookmark(`${20 + round}`));
    }
    expect(reflecting.api.lists).toHaveLength(1);
  });

  test("is not blamed for our own event loop, that was blocked", async () => {
    const clock = new LateClock();
    const reflecting = new Reflecting({ clock });
    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 32; turn++) await undefined;
    };
    clock.block(60_000); // the answer lies in the kernel
    reflecting.list.slices("10", [slice("a")]);
    await turns();
    reflecting.watch.open();
    clock.block(300_000);
    reflecting.watch.send(added(slice("b", { version: "11" })));
    clock.block(10);
    await turns();
    expect(reflecting.log).toEqual(["[a]", "[a b]"]);
    expect(reflecting.api.watches).toHaveLength(1);
    expect(reflecting.watch.signal.aborted).toBe(false);
  });
});

describe("ten minutes without an API server", () => {
  test.each([1, 2, 3, 4, 5])("cost few requests, and are over within 45 s of its return (seed %i)", async (seed) => {
    const reflecting = await watching([slice("a")], { random: seededRandom(seed) });
    let isAway = true;
    reflecting.api.onRequest = (request) => {
      if (isAway) request.fail(new Error("connect ECONNREFUSED"));
      else if (request.kind === "watch") request.open();
    };
    await reflecting.clock.advance(5_000);
    reflecting.watch.fail(new Error("read ECONNRESET"));
    await reflecting.clock.advance(600_000);
    const whileAway = reflecting.api.requests.length - 2;
    expect(whileAway).toBeGreaterThan(20);
    expect(whileAway).toBeLessThan(50);
    expect(reflecting.api.lists).toHaveLength(1);
    // the set was told once, and only failures since
    expect(reflecting.log.filter((told) => told === "[a]")).toHaveLength(1);
    expect(reflecting.told).toHaveLength(whileAway + 2);

    isAway = false;
    await reflecting.clock.advance(45_000);
    expect(reflecting.api.requests.length - 2).toBe(whileAway + 1);
    expect(reflecting.watch.version).toBe("10");
    expect(reflecting.log.at(-1)).toBe("[a]");
  });
});
