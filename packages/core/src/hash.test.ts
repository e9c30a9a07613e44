import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { hashString, mix } from "./hash.ts";

describe("the hash of a string", () => {
  // Ian Boyd's vectors, checked against SMHasher
  test.each([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["!", 0, 0x72661cf4],
    ["\0\0\0\0", 0, 0x2362f9de],
    ["\0\0\0", 0, 0x85f0b427],
    ["\0\0", 0, 0x30f4c306],
    ["\0", 0, 0x514e28b7],
    ["aaaa", 0x9747b28c, 0x5a97808a],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aa", 0x9747b28c, 0x5d211726],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["abcd", 0x9747b28c, 0xf0478627],
    ["abc", 0x9747b28c, 0xc84a62dd],
    ["ab", 0x9747b28c, 0x74875592],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["ππππππππ", 0x9747b28c, 0xd58063c1],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
    ["abc", 0, 0xb3dd93fa],
    ["a".repeat(256), 0x9747b28c, 0x37405bdc],
  ])("%j with seed %i is MurmurHash3's", (text, seed, expected) => {
    expect(hashString(text, seed)).toBe(expected);
  });

  test("is that of its UTF-8, wherever other than ASCII stands, whole or not", () => {
    const texts = ["é", "aé", "aaé", "aaaé", "aaaaé", "éaaaa", "a\u{1f600}b", "Ā", "aaaĀ"];
    expect(new Set(texts.map((text) => hashString(text, 7))).size).toBe(texts.length);
    expect(hashString("\ud800", 7)).toBe(hashString("\ufffd", 7)); // as TextEncoder has half a pair
  });

  test("spreads keys that are alike evenly, by their high bits and by a remainder", () => {
    for (const key of [(index: number) => `user-${index}`, (index: number) => `${index}`.padStart(36, "0")]) {
      const high = new Array<number>(64).fill(0);
      const remainder = new Array<number>(61).fill(0);
      const count = 200_000;
      for (let index = 0; index < count; index++) {
        const hash = hashString(key(index), 0);
        high[hash >>> 26] = (high[hash >>> 26] ?? 0) + 1;
        remainder[hash % 61] = (remainder[hash % 61] ?? 0) + 1;
      }
      for (const counts of [high, remainder]) {
        const expected = count / counts.length;
        const chi = counts.reduce((sum, each) => sum + (each - expected) ** 2 / expected, 0);
        expect(chi).toBeLessThan(110); // 60 degrees of freedom: more comes once in 10 000
      }
    }
  });
});

test("mixing changes half of the bits for each bit, and maps no two numbers to one", () => {
  const random = seededRandom(3);
  let changed = 0;
  for (let sample = 0; sample < 1_000; sample++) {
    const value = Math.floor(random() * 2 ** 32);
    for (let bit = 0; bit < 32; bit++) {
      let difference = mix(value) ^ mix(value ^ (1 << bit));
      for (; difference !== 0; difference &= difference - 1) changed++;
    }
  }
  expect(Math.abs(changed / 32_000 - 16)).toBeLessThan(0.2);
  expect(new Set(Array.from({ length: 10_000 }, (_, index) => mix(index))).size).toBe(10_000);
});
