import { seededRandom } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { HpackDecoder } from "./decoder.ts";
import { encodeHeaderBlock, headerFieldSize, tableSizeUpdate, writeHeaderField } from "./encoder.ts";
import type { HeaderField } from "./header-field.ts";
import { staticTable } from "./static-table.ts";

const hexOf = (name: string, value: string): string => encodeHeaderBlock([[name, value]]).toString("hex");
const hex = (text: string): string => Buffer.from(text, "latin1").toString("hex");
const sensitiveNames = ["authorization", "cookie", "proxy-authorization"];

describe("encodeHeaderBlock", () => {
  it("gives fields of the static table as their index", () => {
    for (const [position, [name, value]] of staticTable.entries()) {
      if (!sensitiveNames.includes(name)) expect(hexOf(name, value)).toBe((0x80 | (position + 1)).toString(16));
    }
  });

  it("gives other values with the first index of the name, without indexing", () => {
    expect(hexOf(":path", "/sample/path")).toBe(`040c${hex("/sample/path")}`); // C.2.2
    expect(hexOf(":status", "418")).toBe(`0803${hex("418")}`);
    expect(hexOf("content-type", "application/grpc")).toBe(`0f1010${hex("application/grpc")}`);
  });

  it("gives other names as they are, without indexing", () => {
    expect(hexOf("grpc-status", "0")).toBe(`000b${hex("grpc-status")}01${hex("0")}`);
    expect(hexOf("x", "")).toBe(`0001${hex("x")}00`);
  });

  it.each([
    ["authorization", "1f08"],
    ["cookie", "1f11"],
    ["proxy-authorization", "1f22"],
  ])("never lets %s be indexed, whatever its value", (name, start) => {
    expect(hexOf(name, "secret")).toBe(`${start}06${hex("secret")}`);
    expect(hexOf(name, "")).toBe(`${start}00`);
  });

  it("writes latin1", () => {
    expect(hexOf("x", "\x00\x7f\x80\xff")).toBe(`0001${hex("x")}04007f80ff`);
  });

  it("gives nothing for no fields", () => {
    expect(encodeHeaderBlock([])).toEqual(Buffer.alloc(0));
  });

  it("writes what the decoder reads", () => {
    const random = seededRandom(9113);
    const below = (bound: number): number => Math.floor(random() * bound);
    const text = (length: number, first: number, count: number): string =>
      Array.from({ length }, () => String.fromCharCode(first + below(count))).join("");
    const decoder = new HpackDecoder({ maxHeaderListSize: 2 ** 20 });
    for (let round = 0; round < 500; round++) {
      const fields = Array.from({ length: below(12) }, (): HeaderField => {
        const known = staticTable[below(staticTable.length)]!;
        const name = random() < 0.5 ? known[0] : text(1 + below(random() < 0.1 ? 300 : 20), 97, 26);
        const value = random() < 0.3 ? known[1] : text(below(random() < 0.1 ? 20_000 : 200), 0, 256);
        return [name, value];
      });
      expect(decoder.decode(encodeHeaderBlock(fields))).toMatchObject({ tooLarge: false, fields });
    }
  });
});

describe("writeHeaderField", () => {
  it.each([
    [":status", "200"],
    [":path", "/a"],
    ["te", "trailers"],
    ["authorization", "Bearer x"],
    ["n".repeat(127), "v".repeat(20_000)],
  ])("writes as many bytes as said, at the offset: %.20s", (name, value) => {
    const size = headerFieldSize(name, value);
    const buffer = Buffer.alloc(size + 10, 0xee);
    expect(writeHeaderField(buffer, 5, name, value)).toBe(5 + size);
    expect(buffer.subarray(5, 5 + size)).toEqual(encodeHeaderBlock([[name, value]]));
    expect(buffer.subarray(0, 5)).toEqual(Buffer.alloc(5, 0xee));
    expect(buffer.subarray(5 + size)).toEqual(Buffer.alloc(5, 0xee));
  });
});

describe("tableSizeUpdate", () => {
  it.each([
    [0, "20"],
    [30, "3e"],
    [31, "3f00"],
    [256, "3fe101"],
    [4096, "3fe11f"],
  ])("of %d is %s", (size, expected) => {
    expect(tableSizeUpdate(size).toString("hex")).toBe(expected);
  });

  it("is taken at the start of a block", () => {
    const decoder = new HpackDecoder({ maxHeaderListSize: 1000 });
    const block = Buffer.concat([tableSizeUpdate(0), encodeHeaderBlock([[":status", "200"]])]);
    expect(decoder.decode(block)).toMatchObject({ fields: [[":status", "200"]] });
  });
});
