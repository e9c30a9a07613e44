import { describe, expect, test } from "vitest";
import type { Charge } from "./charge.ts";
import { Load, messageOf } from "./load.ts";

const job = { concurrency: 4, rpcs: 10, firstKey: 100 };

/** Answers in the next turn, and keeps count. */
function countingCharge(): { readonly charge: Charge; readonly keys: number[]; readonly most: () => number } {
  const keys: number[] = [];
  let underWay = 0;
  let most = 0;
  return {
    keys,
    most: () => most,
    async charge(key) {
      keys.push(key);
      most = Math.max(most, ++underWay);
      await new Promise(setImmediate);
      underWay--;
      return key;
    },
  };
}

describe("Load", () => {
  test("makes what is owed with keys of their own, as many at a time as there are callers", async () => {
    const { charge, keys, most } = countingCharge();
    const load = new Load(charge, job);
    load.finish();
    expect(await load.run(() => {})).toEqual({ kind: "report", rpcs: 10, losses: [] });
    expect(keys.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, index) => 100 + index));
    expect(most()).toBe(4);
  });

  test("goes on until it is told to finish", async () => {
    const { charge } = countingCharge();
    let enough = 0;
    const load = new Load(async (key) => {
      if (key === 130) load.finish();
      return await charge(key);
    }, job);
    const { rpcs } = await load.run(() => enough++);
    expect(rpcs).toBeGreaterThan(30);
    expect(enough).toBe(1);
  });

  test("counts an RPC that fails, and one that is answered with what another asked for", async () => {
    const load = new Load(async (key) => {
      if (key === 103) throw new Error("refused");
      return key === 105 ? 106 : key;
    }, job);
    load.finish();
    const { rpcs, losses } = await load.run(() => {});
    expect(rpcs).toBe(10);
    expect(losses).toEqual([
      { key: 103, message: "refused" },
      { key: 105, message: "wrong response: to 106 instead of 105" },
    ]);
  });
});

describe("messageOf", () => {
  test("has the cause's message, unless it is there already", () => {
    expect(messageOf(new Error("lost", { cause: new Error("reset") }))).toBe("lost: reset");
    expect(messageOf(new Error("lost: reset", { cause: new Error("reset") }))).toBe("lost: reset");
    expect(messageOf("lost")).toBe("lost");
  });
});
