/**
 * MurmurHash3_x86_32 of the text's UTF-8 (Austin Appleby, SMHasher; public domain): an unsigned 32-bit number.
 *
 * Not against an adversary: whoever chooses keys can make them collide.
 */
export function hashString(text: string, seed: number): number {
  const length = text.length;
  const whole = length & ~3;
  let hash = seed | 0;
  let bits = 0;
  for (let index = 0; index < whole; index += 4) {
    const a = text.charCodeAt(index);
    const b = text.charCodeAt(index + 1);
    const c = text.charCodeAt(index + 2);
    const d = text.charCodeAt(index + 3);
    bits |= a | b | c | d;
    hash ^= scramble(a | (b << 8) | (c << 16) | (d << 24));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let index = length - 1; index >= whole; index--) {
    const unit = text.charCodeAt(index);
    bits |= unit;
    rest = (rest << 8) | unit;
  }
  // other than ASCII is rare, and costs a second pass
  if (bits > 0x7f) return hashBytes(new TextEncoder().encode(text), seed);
  if (length > whole) hash ^= scramble(rest);
  return mix(hash ^ length);
}

function hashBytes(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let hash = seed | 0;
  for (let index = 0; index < whole; index += 4) {
    hash ^= scramble(view.getUint32(index, true));
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let index = bytes.length - 1; index >= whole; index--) rest = (rest << 8) | view.getUint8(index);
  if (bytes.length > whole) hash ^= scramble(rest);
  return mix(hash ^ bytes.length);
}

/** Murmur's finalizer: each bit of the number changes each bit of the result with a probability of one half. */
export function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}
