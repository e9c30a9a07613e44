import { markAsUntransferable } from "node:worker_threads";

/** What a peer promises is allocated at once up to here; beyond it has to come first. */
const trustedBytes = 4 * 1024 * 1024;
const leastBytes = 1_024;

const slabBytes = 8 * 1024;
/** Up to here a loop is quicker than the view that `set` needs. */
const handCopiedBytes = 64;
let slab = newSlab();
let slabUsed = 0;

/**
 * A copy of what is in `bytes` from `start` on. Never a `Buffer`: messages show views of it to users. Small copies share
 * a slab, since an array of its own costs more than the copy as soon as somebody asks for its buffer.
 */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const byteLength = end - start;
  if (byteLength * 4 > slabBytes) {
    const copy = allocate(byteLength);
    copy.set(bytes.subarray(start, end));
    return copy;
  }
  if (slabUsed + byteLength > slabBytes) {
    slab = newSlab();
    slabUsed = 0;
  }
  const at = slabUsed;
  slabUsed += byteLength;
  if (byteLength > handCopiedBytes) slab.set(bytes.subarray(start, end), at);
  else for (let index = 0; index < byteLength; index++) slab[at + index] = bytes[start + index] as number;
  return slab.subarray(at, slabUsed);
}

/** Who hands a message of it to another thread is not to take the others along. */
function newSlab(): Uint8Array<ArrayBuffer> {
  const { buffer } = new Uint8Array(slabBytes);
  markAsUntransferable(buffer);
  return new Uint8Array(buffer);
}

/** Puts together what comes in pieces, which are copied. */
export class BodyBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #byteLength = 0;
  #expected = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** So many bytes are to come, in all. */
  expect(byteLength: number): void {
    this.#expected = byteLength;
  }

  push(bytes: Uint8Array, start = 0, end: number = bytes.byteLength): void {
    const needed = this.#byteLength + end - start;
    if (needed > this.#bytes.byteLength) this.#grow(needed);
    this.#bytes.set(bytes.subarray(start, end), this.#byteLength);
    this.#byteLength = needed;
  }

  /** All of it; it is empty afterwards, and expects nothing. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#byteLength);
    this.#bytes = new Uint8Array(0);
    this.#byteLength = 0;
    this.#expected = 0;
    return bytes;
  }

  #grow(needed: number): void {
    const room = Math.max(2 * needed, leastBytes);
    const bytes = allocate(
      Math.max(needed, this.#expected > 0 ? Math.min(this.#expected, Math.max(trustedBytes, room)) : room),
    );
    bytes.set(this.#bytes.subarray(0, this.#byteLength));
    this.#bytes = bytes;
  }
}

/** Not set to 0: it is written before it is read. */
function allocate(byteLength: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
}
