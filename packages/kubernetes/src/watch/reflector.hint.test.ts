import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { Reflecting, watching } from "../../test-helpers/reflecting.ts";
import { added, bookmark, slice } from "../../test-helpers/slices.ts";
import { ApiError } from "../api/api-error.ts";
import type { WatchEvent } from "../api/service-api.ts";

describe("a hint that something changed", () => {
  test("cuts a pause short once the last request is 5 s old, and not before", async () => {
    const reflecting = new Reflecting();
    reflecting.api.onRequest = (request) => request.fail(new Error("no"));
    await reflecting.clock.advance(52_000); // in a pause of 30 s
    const { at } = reflecting.list;
    const { length } = reflecting.api.lists;
    await reflecting.clock.advance(at + 4_999 - reflecting.clock.now());
    reflecting.reflector.hint();
    await reflecting.clock.advance(0);
    expect(reflecting.api.lists).toHaveLength(length);
    await reflecting.clock.advance(1);
    reflecting.reflector.hint();
    await reflecting.clock.advance(0);
    expect(reflecting.api.lists).toHaveLength(length + 1);
  });

  test("does not cut short what the server asked for", async () => {
    const reflecting = new Reflecting();
    reflecting.api.onRequest = (request) => request.fail(new ApiError(429, "too many requests (429)", 20_000));
    for (let second = 0; second < 20; second++) {
      await reflecting.clock.advance(999);
      reflecting.reflector.hint();
    }
    expect(reflecting.api.lists).toHaveLength(1);
  });

  test("a flood of them makes one request in 5 s while the API server is away", async () => {
    const reflecting = new Reflecting({ random: seededRandom(4) });
    reflecting.api.onRequest = (request) => request.fail(new Error("no"));
    for (let tenth = 0; tenth < 6_000; tenth++) {
      await reflecting.clock.advance(100);
      reflecting.reflector.hint();
    }
    expect(reflecting.api.lists.length).toBeLessThan(600 / 5 + 15);
    expect(reflecting.api.lists.length).toBeGreaterThan(100);
  });

  test("makes a watch begin anew, from the last version, when it says nothing for half a second", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.watch.send(bookmark("20"));
    await reflecting.clock.advance(3_000);
    reflecting.reflector.hint();
    await reflecting.clock.advance(499);
    expect(reflecting.api.watches).toHaveLength(1);
    await reflecting.clock.advance(1);
    expect(reflecting.api.log).toEqual(["list", "watch 10", "watch 20"]);
    expect(reflecting.api.watches[0]?.signal.aborted).toBe(true);
    reflecting.watch.open();
    expect(reflecting.log).toEqual(["[a]"]);
  });

  test("leaves a watch that speaks", async () => {
    const reflecting = await watching([slice("a")]);
    await reflecting.clock.advance(3_000);
    reflecting.reflector.hint();
    await reflecting.clock.advance(100);
    reflecting.watch.send(added(slice("b", { version: "11" })));
    await reflecting.clock.advance(60_000);
    expect(reflecting.api.watches).toHaveLength(1);
  });

  test("a flood of them makes few watches: servers that retire connections are everyday life", async () => {
    const reflecting = await watching([slice("a")], { random: seededRandom(1) });
    reflecting.api.onRequest = (request) => request.kind === "watch" && request.open();
    for (let second = 0; second < 3_600; second++) {
      if (second % 60 === 0) reflecting.watch.send(bookmark(`${second + 100}`));
      reflecting.reflector.hint();
      await reflecting.clock.advance(1_000);
    }
    expect(reflecting.api.watches.length).toBeLessThan(20);
    expect(reflecting.api.watches.length).toBeGreaterThan(10);
    expect(reflecting.log).toEqual(["[a]"]);
  });

  test("is taken as seriously as at first once the watch has told of a change, not of a bookmark", async () => {
    const reflecting = await watching([slice("a")]);
    reflecting.api.onRequest = (request) => request.kind === "watch" && request.open();
    for (let second = 0; second < 200; second++) {
      reflecting.reflector.hint();
      await reflecting.clock.advance(1_000);
    }
    const { length } = reflecting.api.watches;
    const isBelieved = async (event: WatchEvent): Promise<boolean> => {
      reflecting.watch.send(event);
      await reflecting.clock.advance(20_000);
      reflecting.reflector.hint();
      await reflecting.clock.advance(1_000);
      return reflecting.api.watches.length === length;
    };
    expect(await isBelieved(bookmark("20"))).toBe(true);
    expect(await isBelieved(added(slice("b", { version: "21" })))).toBe(false);
  });

  test("does nothing while a list is under way", async () => {
    const reflecting = new Reflecting();
    const { pending } = reflecting.clock;
    reflecting.reflector.hint();
    await reflecting.clock.advance(10_000);
    expect(reflecting.api.log).toEqual(["list"]);
    expect(reflecting.clock.pending).toBe(pending);
  });

  test("that is raised against a watch that ends meanwhile, spares the next one", async () => {
    const reflecting = await watching();
    await reflecting.clock.advance(2_000);
    reflecting.reflector.hint();
    reflecting.watch.end();
    await reflecting.clock.advance(1);
    reflecting.watch.open();
    await reflecting.clock.advance(10_000);
    expect(reflecting.watch.signal.aborted).toBe(false);
    // and does not count as one that came true
    reflecting.reflector.hint();
    await reflecting.clock.advance(500);
    expect(reflecting.api.watches).toHaveLength(3);
  });
});
