import { describe, expect, test } from "vitest";
import { LineReader } from "./line-reader.ts";

describe("a line reader", () => {
  test("gives the same lines wherever the text was cut", () => {
    const text = 'one\n{"two":2}\n\nthree\r\n \nfour\n';
    const whole = new LineReader().push(text);
    expect(whole.map((line) => line.trim())).toEqual(["one", '{"two":2}', "three", "four"]);
    for (let cut = 0; cut <= text.length; cut++) {
      const reader = new LineReader();
      expect([...reader.push(text.slice(0, cut)), ...reader.push(text.slice(cut))]).toEqual(whole);
    }
    const reader = new LineReader();
    expect([...text].flatMap((character) => reader.push(character))).toEqual(whole);
  });

  test("keeps a line that has not ended", () => {
    const reader = new LineReader();
    expect(reader.push("half")).toEqual([]);
    expect(reader.push("")).toEqual([]);
    expect(reader.push(" a line\nand")).toEqual(["half a line"]);
  });

  test("takes a line of 16 MiB, and no more of one that does not end", () => {
    const reader = new LineReader();
    const part = "x".repeat(2 ** 20);
    for (let count = 0; count < 16; count++) reader.push(part);
    expect(reader.push("\n")[0]).toHaveLength(2 ** 24);
    for (let count = 0; count < 16; count++) reader.push(part);
    expect(() => reader.push("x")).toThrow("a line of a watch is longer than 16777216");
  });
});
