import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { Pause } from "./pause.ts";

describe("a pause", () => {
  test("is over after its time", async () => {
    const clock = new FakeClock();
    let isOver = false;
    void new Pause(clock, 100).over.then(() => {
      isOver = true;
    });
    await clock.advance(99);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(isOver).toBe(true);
  });

  test("is over at once when it is ended, and leaves no timer", async () => {
    const clock = new FakeClock();
    const pause = new Pause(clock, 100);
    pause.end();
    await pause.over;
    expect(clock.pending).toBe(0);
    pause.end();
  });
});
