import { DynamicTable } from "./dynamic-table.ts";
import { type HeaderField, sizeOfField } from "./header-field.ts";
import { HpackError } from "./hpack-error.ts";
import { decodeHuffman } from "./huffman.ts";
import { type Cursor, readInteger } from "./integer.ts";
import { staticTable } from "./static-table.ts";

export interface HpackDecoderOptions {
  /**
   * The SETTINGS_HEADER_TABLE_SIZE that was sent, 4096 by default. Less is for peers that have seen it before they send
   * their first block: servers have, clients may not.
   */
  readonly maxTableSize?: number;
  /** The SETTINGS_MAX_HEADER_LIST_SIZE that was sent. */
  readonly maxHeaderListSize: number;
}

/** `size` is that of the header list (RFC 9113, section 6.5.2). The fields of a list above the maximum are dropped. */
export type DecodedBlock =
  | { readonly tooLarge: false; readonly size: number; readonly fields: HeaderField[] }
  | { readonly tooLarge: true; readonly size: number };

/**
 * Decodes the header blocks that one peer sends on one connection (RFC 7541): all of them, whole and in their order,
 * also those nobody waits for, as each may change the table that the next one refers to.
 */
export class HpackDecoder {
  readonly #maxTableSize: number;
  readonly #maxHeaderListSize: number;
  readonly #table: DynamicTable;

  constructor(options: HpackDecoderOptions) {
    this.#maxTableSize = options.maxTableSize ?? 4096;
    this.#maxHeaderListSize = options.maxHeaderListSize;
    this.#table = new DynamicTable(this.#maxTableSize);
  }

  /** Nothing of the block is kept, so its memory may be used again. Throws an `HpackError`. */
  decode(block: Buffer): DecodedBlock {
    const cursor: Cursor = { bytes: block, position: 0 };
    const fields: HeaderField[] = [];
    let size = 0;
    this.#readTableSizeUpdates(cursor);
    while (cursor.position < block.length) {
      const field = this.#readField(cursor, block[cursor.position] as number);
      size += sizeOfField(field);
      if (size <= this.#maxHeaderListSize) fields.push(field);
    }
    return size > this.#maxHeaderListSize ? { tooLarge: true, size } : { tooLarge: false, size, fields };
  }

  /** They are allowed before the first field only (RFC 7541, section 4.2). */
  #readTableSizeUpdates(cursor: Cursor): void {
    while (isTableSizeUpdate(cursor.bytes[cursor.position])) {
      const size = readInteger(cursor, 5);
      if (size > this.#maxTableSize) {
        throw new HpackError(`a dynamic table of ${size} bytes, above the ${this.#maxTableSize} of our settings`);
      }
      this.#table.resize(size);
    }
  }

  #readField(cursor: Cursor, first: number): HeaderField {
    if (first >= 0x80) return this.#entry(readInteger(cursor, 7));
    if (isTableSizeUpdate(first)) throw new HpackError("a dynamic table size update behind a field");
    const keep = first >= 0x40;
    const nameIndex = readInteger(cursor, keep ? 6 : 4);
    const name = nameIndex > 0 ? this.#entry(nameIndex)[0] : readString(cursor);
    const field: HeaderField = [name, readString(cursor)];
    if (keep) this.#table.add(field);
    return field;
  }

  #entry(index: number): HeaderField {
    const field = index <= staticTable.length ? staticTable[index - 1] : this.#table.at(index - staticTable.length - 1);
    if (field === undefined) {
      throw new HpackError(`index ${index}, expected 1 to ${staticTable.length + this.#table.length}`);
    }
    return field;
  }
}

function isTableSizeUpdate(first: number | undefined): boolean {
  return first !== undefined && first >> 5 === 1;
}

function readString(cursor: Cursor): string {
  const { bytes } = cursor;
  const isHuffman = (bytes[cursor.position] ?? 0) >= 0x80;
  const length = readInteger(cursor, 7);
  const start = cursor.position;
  const end = start + length;
  if (end > bytes.length) throw new HpackError(`a string of ${length} bytes, with ${bytes.length - start} left`);
  cursor.position = end;
  return isHuffman ? decodeHuffman(bytes, start, end) : bytes.toString("latin1", start, end);
}
