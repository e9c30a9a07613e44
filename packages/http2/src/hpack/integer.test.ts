import { describe, expect, it } from "vitest";
import { HpackError } from "./hpack-error.ts";
import { type Cursor, readInteger, sizeOfInteger, writeInteger } from "./integer.ts";

const cursorOf = (...bytes: number[]): Cursor => ({ bytes: Buffer.from(bytes), position: 0 });

describe("readInteger", () => {
  it.each([
    ["C.1.1: 10, with a prefix of 5 bits", [0b11101010], 5, 10],
    ["C.1.2: 1337, with a prefix of 5 bits", [0b11111111, 0b10011010, 0b00001010], 5, 1337],
    ["C.1.3: 42, with a prefix of 8 bits", [0b00101010], 8, 42],
    ["the prefix itself", [0x7f, 0x00], 7, 127],
    ["zeros on top", [0x7f, 0x81, 0x80, 0x80, 0x80, 0x00], 7, 128],
    ["2^31-1", [0x7f, 0x80, 0xff, 0xff, 0xff, 0x07], 7, 2 ** 31 - 1],
  ])("reads %s", (_title, bytes, prefixBits, value) => {
    const cursor = cursorOf(...bytes, 0xff);
    expect(readInteger(cursor, prefixBits)).toBe(value);
    expect(cursor.position).toBe(bytes.length);
  });

  it.each([
    ["2^31", [0x7f, 0x81, 0xff, 0xff, 0xff, 0x07], "an integer of 2147483648, above 2^31-1"],
    ["2^32 + 127, 127 in 32 bits", [0x7f, 0x80, 0x80, 0x80, 0x80, 0x10], "an integer of 4294967423, above 2^31-1"],
    ["all that 5 bytes can say", [0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f], "above 2^31-1"],
    ["6 bytes, even if they are zeros", [0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "more than 5 bytes"],
    ["nothing", [], "the block ends"],
    ["an end behind the prefix", [0x7f], "the block ends"],
    ["an end behind a byte that announces another", [0x7f, 0x80], "the block ends"],
  ])("refuses %s", (_title, bytes, message) => {
    const read = (): number => readInteger(cursorOf(...bytes), 7);
    expect(read).toThrow(HpackError);
    expect(read).toThrow(message);
  });
});

describe("writeInteger", () => {
  const edges = [0, 1, 14, 15, 16, 30, 31, 126, 127, 128, 254, 255, 1337, 16510, 16511, 2 ** 28, 2 ** 31 - 1];

  it.each([1, 4, 5, 6, 7, 8])(
    "writes what is read with a prefix of %d bits, and keeps the flags above",
    (prefixBits) => {
      const flags = 0xff & ~((1 << prefixBits) - 1);
      for (const value of edges) {
        const buffer = Buffer.alloc(10, 0xee);
        const end = writeInteger(buffer, 2, flags, prefixBits, value);
        expect(end).toBe(2 + sizeOfInteger(prefixBits, value));
        expect(buffer[1]).toBe(0xee);
        expect(buffer[end]).toBe(0xee);
        expect(buffer[2]! & flags).toBe(flags);
        const cursor = { bytes: buffer, position: 2 };
        expect(readInteger(cursor, prefixBits)).toBe(value);
        expect(cursor.position).toBe(end);
      }
    },
  );

  it("writes the example C.1.2", () => {
    const buffer = Buffer.alloc(3);
    expect(writeInteger(buffer, 0, 0, 5, 1337)).toBe(3);
    expect(buffer.toString("hex")).toBe("1f9a0a");
  });
});
