import { HpackError } from "./hpack-error.ts";

/** How far a block is read. */
export interface Cursor {
  readonly bytes: Buffer;
  position: number;
}

const maxInteger = 2 ** 31 - 1;
const maxContinuationBytes = 5;

/**
 * Reads an integer with a prefix of 1 to 8 bits (RFC 7541, section 5.1); the other bits of its first byte are ignored.
 * Throws an `HpackError` where the block ends too early, above 2^31-1, and for more than 5 bytes after the first.
 */
export function readInteger(cursor: Cursor, prefixBits: number): number {
  const prefix = (1 << prefixBits) - 1;
  let value = nextByte(cursor) & prefix;
  if (value < prefix) return value;
  let weight = 1;
  for (let count = 0; count < maxContinuationBytes; count++) {
    const byte = nextByte(cursor);
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) {
      if (value > maxInteger) throw new HpackError(`an integer of ${value}, above 2^31-1`);
      return value;
    }
    weight *= 128;
  }
  throw new HpackError(`an integer of more than ${maxContinuationBytes} bytes after its first`);
}

function nextByte(cursor: Cursor): number {
  const byte = cursor.bytes[cursor.position++];
  if (byte === undefined) throw new HpackError("the block ends in the middle of a field");
  return byte;
}

/** How many bytes `writeInteger` writes. */
export function sizeOfInteger(prefixBits: number, value: number): number {
  const prefix = (1 << prefixBits) - 1;
  if (value < prefix) return 1;
  let size = 2;
  for (let rest = value - prefix; rest >= 0x80; rest >>>= 7) size++;
  return size;
}

/** Writes 0 to 2^31-1, with `flags` in the bits above the prefix. Returns the offset behind it. */
export function writeInteger(buffer: Buffer, offset: number, flags: number, prefixBits: number, value: number): number {
  const prefix = (1 << prefixBits) - 1;
  if (value < prefix) {
    buffer[offset] = flags | value;
    return offset + 1;
  }
  buffer[offset] = flags | prefix;
  let end = offset + 1;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) buffer[end++] = (rest & 0x7f) | 0x80;
  buffer[end++] = rest;
  return end;
}
