import { expect, it } from "vitest";
import { BodyBuffer, copyOf } from "./body-buffer.ts";

it("a copy keeps nothing large alive, and is no Buffer", () => {
  for (const length of [0, 1, 10, 5_000, 60_000]) {
    const bytes = Buffer.alloc(64 * 1024).map((_, index) => index % 251);
    const copy = copyOf(bytes, 100, 100 + length);
    expect([...copy]).toEqual([...bytes.subarray(100, 100 + length)]);
    expect(copy.constructor).toBe(Uint8Array);
    expect(copy.buffer).not.toBe(bytes.buffer);
    expect(copy.buffer.byteLength).toBeLessThanOrEqual(Math.max(length, 8 * 1024));
    bytes.fill(255);
    expect(copy).not.toContain(255);
  }
});

it("a small copy cannot be handed to another thread: it would take the others along", () => {
  const copies = [copyOf(Buffer.from("one"), 0, 3), copyOf(Buffer.from("two"), 0, 3)];
  for (const { buffer } of copies) {
    expect(() => structuredClone(null, { transfer: [buffer as ArrayBuffer] })).toThrow("Cannot transfer");
  }
  expect(structuredClone(copies.map((copy) => Buffer.from(copy).toString()))).toEqual(["one", "two"]);
});

it("a body is whole again, and then empty", () => {
  const body = new BodyBuffer();
  expect(body.take().byteLength).toBe(0);
  for (const chunk of [[1, 2], [], [3]]) body.push(new Uint8Array(chunk));
  body.push(new Uint8Array([9, 4, 5, 9]), 1, 3);
  expect(body.byteLength).toBe(5);
  expect([...body.take()]).toEqual([1, 2, 3, 4, 5]);
  expect(body.byteLength).toBe(0);
});
