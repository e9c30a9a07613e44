import { describe, expect, test } from "vitest";
import { Asking, error, nextTick, notFound, set } from "../../test-helpers/asking.ts";

describe("a resolver that is asked again", () => {
  test("looks again, and tells the last again, so that grpc-js goes on asking", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    await asking.clock.advance(1_000);
    expect(await asking.ask()).toEqual(["1"]);
    expect(asking.core.hints).toBe(1);
    expect(asking.lists[1]).toBe(asking.lists[0]);
  });

  test("tells a newer set instead where there is one", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    await asking.clock.advance(1_000);
    asking.resolver.updateResolution();
    expect(await asking.say(set(2))).toEqual(["2"]);
  });

  test("looks again at once each time, but does not repeat itself more than once a second", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    expect(await asking.ask()).toEqual([]);
    expect(await asking.ask()).toEqual([]);
    expect(asking.core.hints).toBe(2);
    await asking.clock.advance(999);
    expect(await asking.told()).toEqual([]);
    await asking.clock.advance(1);
    expect(await asking.told()).toEqual(["1"]);
    expect(asking.core.hints).toBe(3); // for what grpc-js put off
    expect(asking.clock.pending).toBe(0);
  });

  test("does not repeat itself after it said something newer", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    await asking.ask();
    expect(asking.core.hints).toBe(1);
    expect(await asking.say(set(2))).toEqual(["2"]);
    expect(asking.core.hints).toBe(2); // for what grpc-js put off
    expect(await asking.after(60_000)).toEqual([]);
    expect(await asking.say(set(3))).toEqual(["3"]);
    expect(asking.core.hints).toBe(2);
  });

  test("repeats the same less and less often", async () => {
    const asking = new Asking();
    const toldAt: number[] = [];
    asking.onHeard = () => {
      toldAt.push(asking.clock.now() / 1_000);
      asking.resolver.updateResolution(); // as a round_robin does one of whose endpoints is down
    };
    await asking.ask();
    await asking.say(set(1));
    for (let ms = 0; ms < 122_000; ms += 500) await asking.after(500);
    expect(toldAt).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121]);
    await asking.say(set(1));
    for (let ms = 0; ms < 3_000; ms += 500) await asking.after(500);
    expect(toldAt.slice(-3)).toEqual([122, 123, 125]);
    asking.resolver.destroy();
  });

  test("does not spin with a policy that asks whenever it hears something", async () => {
    const asking = new Asking();
    let asked = 0;
    asking.onHeard = () => {
      if (++asked < 100) asking.resolver.updateResolution(); // a spin would never end
    };
    await asking.ask();
    expect(await asking.say(set(1))).toEqual(["1"]);
    await nextTick();
    expect(await asking.told()).toEqual([]);
    await asking.clock.advance(1_000);
    expect(await asking.told()).toEqual(["1"]);
    expect(asking.clock.pendingRef).toBe(0);
    asking.resolver.destroy();
    expect(asking.clock.pending).toBe(0);
  });

  test("tells an error again", async () => {
    const asking = new Asking();
    await asking.ask();
    const heard = await asking.say(error("no DNS"));
    await asking.clock.advance(1_000);
    expect(await asking.ask()).toEqual(heard);
  });
});

describe("a resolver whose first answer does not come", () => {
  const late = "! scripted:///orders:80: its endpoints could not be learnt: no answer of the resolver within 20 s";

  test("is waited for, then fails RPCs, which would never be forgotten", async () => {
    const asking = new Asking();
    expect(await asking.ask()).toEqual([]);
    await asking.clock.advance(19_999);
    expect(await asking.ask()).toEqual([]);
    expect(asking.core.started).toHaveLength(1);
    expect(asking.core.hints).toBe(0);
    expect(asking.clock.pendingRef).toBe(0);
    expect(await asking.after(1)).toEqual([late]);
    expect(asking.clock.pending).toBe(0);
    expect(await asking.say(set(1))).toEqual(["1"]);
  });

  test.each([set(1), error("no DNS"), notFound("gone")])("is not what says %j", async (update) => {
    for (const before of [true, false]) {
      const asking = new Asking();
      if (before) asking.core.first = [update];
      await asking.ask();
      if (!before) await asking.say(update);
      expect(asking.clock.pending).toBe(0);
    }
  });

  test("waits no more when it is destroyed", async () => {
    const asking = new Asking();
    await asking.ask();
    asking.resolver.destroy();
    expect(asking.clock.pending).toBe(0);
  });
});
