import { expect, test } from "vitest";
import { FrameTracker } from "./frame-tracker.ts";

function frame(type: number, flags: number, length: number): Buffer {
  const bytes = Buffer.alloc(9 + length, 0xff);
  bytes.writeUIntBE(length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(1, 5);
  return bytes;
}

const endHeaders = 4;
const settings = frame(4, 0, 6);
const data = frame(0, 0, 70_000);
const ping = frame(6, 0, 8);
const empty = frame(0, 1, 0);

test("nothing may precede the session's first frame", () => {
  const tracker = new FrameTracker();
  expect(tracker.atBoundary).toBe(false);
  tracker.push(settings);
  expect(tracker.atBoundary).toBe(true);
});

test("a field block is one unit, however many frames it takes", () => {
  const tracker = new FrameTracker();
  tracker.push(settings);
  tracker.push(frame(1, 0, 10));
  expect(tracker.atBoundary).toBe(false);
  tracker.push(frame(9, 0, 10));
  expect(tracker.atBoundary).toBe(false);
  tracker.push(frame(9, endHeaders, 10));
  expect(tracker.atBoundary).toBe(true);
});

test("boundaries are where frames end, wherever writes are split", () => {
  const frames = [settings, data, ping, empty, frame(1, endHeaders, 3), data];
  const ends = new Set<number>();
  let length = 0;
  for (const bytes of frames) {
    length += bytes.length;
    ends.add(length);
  }
  const all = Buffer.concat(frames);
  for (const step of [1, 2, 7, 9, 10, 4_099]) {
    const tracker = new FrameTracker();
    const wrong: number[] = [];
    for (let at = 0; at < all.length; at += step) {
      const end = Math.min(at + step, all.length);
      tracker.push(all.subarray(at, end));
      if (tracker.atBoundary !== ends.has(end)) wrong.push(end);
    }
    expect(wrong).toEqual([]);
  }
});
