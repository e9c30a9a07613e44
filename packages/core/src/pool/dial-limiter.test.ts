import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { DialLimiter } from "./dial-limiter.ts";

/** A limiter whose dials note their names. */
function notingLimiter(limit: number): {
  dialled: string[];
  acquire: (name: string) => () => void;
  limiter: DialLimiter;
} {
  const limiter = new DialLimiter(limit);
  const dialled: string[] = [];
  return { dialled, limiter, acquire: (name) => limiter.acquire(() => dialled.push(name)) };
}

describe("the dial limiter", () => {
  test("dials at once while there is room", () => {
    const { dialled, acquire } = notingLimiter(2);
    acquire("a");
    acquire("b");
    acquire("c");
    expect(dialled).toEqual(["a", "b"]);
  });

  test("hands a place that was given up to those that wait, in order", () => {
    const { dialled, acquire } = notingLimiter(2);
    const releaseA = acquire("a");
    const releaseB = acquire("b");
    const releaseC = acquire("c");
    acquire("d");
    acquire("e");
    releaseB();
    expect(dialled).toEqual(["a", "b", "c"]);
    releaseC();
    releaseA();
    expect(dialled).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("does not hand out a place twice when it is given up twice", () => {
    const { dialled, acquire } = notingLimiter(1);
    const release = acquire("a");
    acquire("b");
    acquire("c");
    release();
    release();
    expect(dialled).toEqual(["a", "b"]);
  });

  test("forgets a dial that is given up while it waits", () => {
    const { dialled, acquire } = notingLimiter(1);
    const releaseA = acquire("a");
    const releaseB = acquire("b");
    acquire("c");
    releaseB();
    releaseB();
    expect(dialled).toEqual(["a"]);
    releaseA();
    expect(dialled).toEqual(["a", "c"]);
  });

  test("takes a release in the middle of a dial", () => {
    const limiter = new DialLimiter(1);
    const dialled: string[] = [];
    const releaseA = limiter.acquire(() => dialled.push("a"));
    const releaseB = limiter.acquire(() => {
      dialled.push("b");
      releaseB();
    });
    limiter.acquire(() => dialled.push("c"));
    releaseA();
    expect(dialled).toEqual(["a", "b", "c"]);
  });

  test("never exceeds its limit and leaves no place unused, in any order of events", () => {
    const random = seededRandom(2);
    for (let round = 0; round < 200; round++) {
      const limit = 1 + Math.floor(random() * 4);
      const limiter = new DialLimiter(limit);
      const held: { active: boolean; release: () => void }[] = [];
      for (let step = 0; step < 60; step++) {
        if (held.length === 0 || random() < 0.5) {
          const entry = { active: false, release: (): void => {} };
          entry.release = limiter.acquire(() => {
            entry.active = true;
          });
          held.push(entry);
        } else {
          const [entry] = held.splice(Math.floor(random() * held.length), 1);
          entry?.release();
        }
        const active = held.filter((entry) => entry.active).length;
        expect(active).toBe(Math.min(limit, held.length));
      }
    }
  });
});
