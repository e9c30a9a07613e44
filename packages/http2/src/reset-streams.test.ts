import { describe, expect, it } from "vitest";
import { ResetStreams } from "./reset-streams.ts";

describe("ResetStreams", () => {
  it("knows what was added, and nothing else", () => {
    const streams = new ResetStreams();
    streams.add(5);
    streams.add(9);
    expect([1, 5, 7, 9, 11].filter((id) => streams.has(id))).toEqual([5, 9]);
  });

  it("does not know of those that it forgot, and says that they may be", () => {
    const streams = new ResetStreams();
    for (let id = 1; id < 2 * 1_001; id += 2) streams.add(id);
    expect(streams.has(1)).toBe(true);
    expect(streams.has(2_001)).toBe(true);
    expect(streams.has(2_003)).toBe(false);
  });

  it("forgets the oldest, in whatever order they were added", () => {
    const streams = new ResetStreams();
    streams.add(101);
    streams.add(1);
    for (let id = 201; id < 201 + 2 * 999; id += 2) streams.add(id);
    // 101 is forgotten: up to it nothing is known
    expect([1, 3, 99, 101, 103, 199].filter((id) => streams.has(id))).toEqual([1, 3, 99, 101]);
  });
});
