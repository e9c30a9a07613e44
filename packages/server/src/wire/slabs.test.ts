import { expect, test } from "vitest";
import { freeChunk, giveSlab, takeSlab } from "./slabs.ts";

test("a slab is the smallest that the bytes fit in, or the largest there is", () => {
  const bytes = [1, 16_384, 16_385, 65_537, 10_000_000];
  expect(bytes.map((each) => takeSlab(each).length)).toEqual([16_384, 16_384, 65_536, 262_144, 262_144]);
});

test("a slab that was given back is taken again, and nobody has it twice", () => {
  const first = takeSlab(70_000);
  expect(takeSlab(70_000)).not.toBe(first);
  giveSlab(first);
  expect(takeSlab(70_000)).toBe(first);
  expect(takeSlab(70_000)).not.toBe(first);
});

test("only a few slabs are kept", () => {
  const slabs = Array.from({ length: 100 }, () => takeSlab(100_000));
  for (const slab of slabs) giveSlab(slab);
  const again = new Set(Array.from({ length: 100 }, () => takeSlab(100_000)));
  expect(slabs.filter((slab) => again.has(slab)).length).toBe(8);
});

test("a chunk's memory is freed if it is large and the chunk's alone", () => {
  const large = Buffer.allocUnsafeSlow(4_096);
  freeChunk(large);
  expect(large.length).toBe(0);

  const shared = Buffer.alloc(10_000, "x");
  const kept = [shared.subarray(0, 5_000), shared.subarray(1), Buffer.alloc(4_095, "x"), Buffer.from("from the pool")];
  for (const chunk of kept) {
    const { length } = chunk;
    freeChunk(chunk);
    expect(chunk.length).toBe(length);
  }
  const sharedWithThreads = new Uint8Array(new SharedArrayBuffer(8_192));
  freeChunk(sharedWithThreads);
  expect(sharedWithThreads.length).toBe(8_192);
});
