const kibibyte = 1_024;
const mostFreeOfASize = 8;

/**
 * The memory that bytes are joined in, used again and again: fresh memory costs page faults and garbage collections,
 * which come dearer than the copying. At most 2.6 MiB are kept.
 */
const sizes: readonly { readonly bytes: number; readonly free: Buffer[] }[] = [
  { bytes: 16 * kibibyte, free: [] },
  { bytes: 64 * kibibyte, free: [] },
  { bytes: 256 * kibibyte, free: [] },
];

/** Takes a slab for so many bytes, or the largest there is. It is at most four times too large, but above 4 KiB. */
export function takeSlab(bytes: number): Buffer {
  const size = sizes.find((each) => each.bytes >= bytes) ?? sizes.at(-1);
  return size?.free.pop() ?? Buffer.allocUnsafeSlow(size?.bytes ?? bytes);
}

/** Nobody may read or write it any more. */
export function giveSlab(slab: Buffer): void {
  const free = sizes.find((each) => each.bytes === slab.length)?.free;
  if (free !== undefined && free.length < mostFreeOfASize) free.push(slab);
}

const worthFreeing = 4 * kibibyte;

/**
 * Frees the memory of a chunk that is of no more use to anyone, now instead of at the next collection, so that the next
 * chunk finds it in the processor's cache. Does nothing to a chunk that is small, or that shares its memory.
 */
export function freeChunk(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (chunk.length < worthFreeing || chunk.length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}
