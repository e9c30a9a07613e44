import type { HeaderField } from "./header-field.ts";
import { sizeOfInteger, writeInteger } from "./integer.ts";
import { staticTable } from "./static-table.ts";

/** The first bytes of literals (RFC 7541, sections 6.2.2 and 6.2.3). */
const withoutIndexing = 0x00;
const neverIndexed = 0x10;

const sensitiveNames: readonly string[] = ["authorization", "cookie", "proxy-authorization"];

interface StaticName {
  /** Of the first entry with the name; more may follow it. */
  readonly index: number;
  readonly literal: typeof withoutIndexing | typeof neverIndexed;
}

const staticNames: ReadonlyMap<string, StaticName> = indexStaticNames();

function indexStaticNames(): Map<string, StaticName> {
  const names = new Map<string, StaticName>();
  for (const [position, [name]] of staticTable.entries()) {
    const literal = sensitiveNames.includes(name) ? neverIndexed : withoutIndexing;
    if (!names.has(name)) names.set(name, { index: position + 1, literal });
  }
  return names;
}

/** The index of the entry with that value too, or 0. */
function indexOfField({ index, literal }: StaticName, name: string, value: string): number {
  if (literal === neverIndexed) return 0;
  for (let candidate = index; staticTable[candidate - 1]?.[0] === name; candidate++) {
    if (staticTable[candidate - 1]?.[1] === value) return candidate;
  }
  return 0;
}

/** How many bytes `writeHeaderField` writes. */
export function headerFieldSize(name: string, value: string): number {
  const known = staticNames.get(name);
  if (known === undefined) return 1 + sizeOfString(name) + sizeOfString(value);
  if (indexOfField(known, name, value) > 0) return 1;
  return sizeOfInteger(4, known.index) + sizeOfString(value);
}

/**
 * Encodes a field without the dynamic table, so that what is written fits any block of any connection. The name is to be
 * in lower case; of characters that are not latin1 the low byte is written. The buffer needs room for
 * `headerFieldSize(name, value)`. Returns the offset behind the field.
 */
export function writeHeaderField(buffer: Buffer, offset: number, name: string, value: string): number {
  const known = staticNames.get(name);
  if (known === undefined) {
    buffer[offset] = withoutIndexing;
    return writeString(buffer, writeString(buffer, offset + 1, name), value);
  }
  const index = indexOfField(known, name, value);
  if (index > 0) return writeInteger(buffer, offset, 0x80, 7, index);
  return writeString(buffer, writeInteger(buffer, offset, known.literal, 4, known.index), value);
}

export function encodeHeaderBlock(fields: readonly HeaderField[]): Buffer {
  let size = 0;
  for (const [name, value] of fields) size += headerFieldSize(name, value);
  const block = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const [name, value] of fields) offset = writeHeaderField(block, offset, name, value);
  return block;
}

/**
 * What the next block must start with once the peer's SETTINGS_HEADER_TABLE_SIZE went below 4096, or below the last
 * update (RFC 9113, section 4.3.1). As the table is not used, 0 will do, once and for good.
 */
export function tableSizeUpdate(size: number): Buffer {
  const update = Buffer.allocUnsafe(sizeOfInteger(5, size));
  writeInteger(update, 0, 0x20, 5, size);
  return update;
}

function sizeOfString(text: string): number {
  return sizeOfInteger(7, text.length) + text.length;
}

/** Not Huffman-coded. */
function writeString(buffer: Buffer, offset: number, text: string): number {
  const start = writeInteger(buffer, offset, 0, 7, text.length);
  return start + buffer.write(text, start, "latin1");
}
