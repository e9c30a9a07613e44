import { seededRandom } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { HpackError } from "./hpack-error.ts";
import { decodeHuffman, encodeHuffman } from "./huffman.ts";

const allBytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
const decode = (bytes: Buffer): string => decodeHuffman(bytes, 0, bytes.length);
const ofBits = (bits: string): Buffer =>
  Buffer.from(
    bits
      .replaceAll(" ", "")
      .match(/.{8}/g)!
      .map((byte) => Number.parseInt(byte, 2)),
  );

/** Of RFC 7541, appendix C. */
const examples = [
  ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
  ["a8eb10649cbf", "no-cache"],
  ["25a849e95ba97d7f", "custom-key"],
  ["25a849e95bb8e8b4bf", "custom-value"],
  ["6402", "302"],
  ["640eff", "307"],
  ["aec3771a4b", "private"],
  ["d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"],
  ["9bd9ab", "gzip"],
] as const;

describe("the code", () => {
  it.each(examples)("says %s for %s", (hex, text) => {
    expect(encodeHuffman(text).toString("hex")).toBe(hex);
    expect(decode(Buffer.from(hex, "hex"))).toBe(text);
  });

  it.each([
    [0, "1ff8", 13],
    [1, "7fffd8", 23],
    [9, "ffffea", 24],
    [10, "3ffffffc", 30],
    [22, "3ffffffe", 30],
    [127, "ffffffc", 28],
    [128, "fffe6", 20],
    [199, "1ffffec", 25],
    [249, "ffffffe", 28],
    [255, "3ffffee", 26],
  ])("says for the byte %d what appendix B does", (byte, code, length) => {
    const bits = BigInt(`0x${code}`).toString(2).padStart(length, "0");
    const padded = bits.padEnd(Math.ceil(length / 8) * 8, "1");
    expect(encodeHuffman(String.fromCharCode(byte))).toEqual(ofBits(padded));
  });

  it("has a place for every byte, before and after every other", () => {
    for (const first of allBytes) {
      const text = allBytes.map((second) => first + second).join("");
      expect(decode(encodeHuffman(text))).toBe(text);
      expect(decode(encodeHuffman(first))).toBe(first);
    }
  });
});

describe("decodeHuffman", () => {
  it("keeps to its part of the bytes", () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0xff]), encodeHuffman("gzip"), Buffer.from([0xff, 0xff])]);
    expect(decodeHuffman(bytes, 2, bytes.length - 2)).toBe("gzip");
    expect(decodeHuffman(bytes, 2, 2)).toBe("");
  });

  it("decodes strings of any length", () => {
    const random = seededRandom(7);
    for (let length = 0; length < 20_000; length = length * 2 + 1) {
      const shortest = "0".repeat(length);
      expect(decode(encodeHuffman(shortest))).toBe(shortest);
      const mixed = Array.from({ length }, () => allBytes[Math.floor(random() * 256)]).join("");
      expect(decode(encodeHuffman(mixed))).toBe(mixed);
    }
  });

  it("takes up to 7 ones as padding", () => {
    expect(decode(ofBits("00011 111"))).toBe("a");
    expect(decode(ofBits("100011 11"))).toBe("b");
    expect(decode(ofBits("11111000"))).toBe("&");
    // symbols of 13, 6 and 6 bits, so that 7 are left
    expect(decode(ofBits("1111111111000 010100 010100 1111111"))).toBe("\x00  ");
  });

  it.each([
    ["8 ones behind a symbol", "11111000 11111111"],
    ["8 ones and nothing else", "11111111"],
    ["16 ones", "11111000 11111111 11111111"],
    ["29 ones", "11111000 11111111 11111111 11111111 11111000"],
    ["zeros", "00011 000"],
    ["a single zero at its end", "00011 110"],
    ["a zero at its start", "00011 011"],
    ["the start of a longer symbol", "00011 001"],
    ["a long symbol without its last bits", "11111111 11111111 11110110"],
  ])("refuses a padding of %s", (_title, bits) => {
    expect(() => decode(ofBits(bits))).toThrow(
      new HpackError("a Huffman-coded string with a padding that is not up to 7 ones"),
    );
  });

  it.each([
    ["alone", `${"1".repeat(30)} 11`],
    ["first", `${"1".repeat(30)} 00011 11111`],
    ["in the middle", `00011 ${"1".repeat(30)} 00011`],
    ["last", `010100 010100 ${"1".repeat(30)} 111111`],
  ])("refuses the end-of-string symbol: %s", (_title, bits) => {
    expect(() => decode(ofBits(bits))).toThrow(new HpackError("the end-of-string symbol in a Huffman-coded string"));
  });

  it("takes exactly the encoding of what it returns", () => {
    const random = seededRandom(5);
    let taken = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 6) }, () => Math.floor(random() * 256)));
      let text: string;
      try {
        text = decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(HpackError);
        continue;
      }
      taken++;
      expect(encodeHuffman(text)).toEqual(bytes);
    }
    expect(taken).toBeGreaterThan(1_000);
  });
});
