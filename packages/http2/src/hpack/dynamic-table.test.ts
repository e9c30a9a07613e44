import { seededRandom } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { DynamicTable } from "./dynamic-table.ts";
import { type HeaderField, sizeOfField } from "./header-field.ts";

const contentsOf = (table: DynamicTable): HeaderField[] =>
  Array.from({ length: table.length }, (_, index) => table.at(index)!);

describe("DynamicTable", () => {
  it("counts from the newest, and gives back the very field", () => {
    const table = new DynamicTable(4096);
    const fields: HeaderField[] = [
      ["a", "1"],
      ["b", "2"],
    ];
    for (const field of fields) table.add(field);
    expect(table.at(0)).toBe(fields[1]);
    expect(table.at(1)).toBe(fields[0]);
    expect(table.at(2)).toBeUndefined();
    expect(table.size).toBe(68);
  });

  it("evicts the oldest to make room, and no more than needed", () => {
    const table = new DynamicTable(3 * 34);
    for (const name of ["a", "b", "c"]) table.add([name, "1"]);
    expect(table.length).toBe(3);
    table.add(["d", "1"]);
    expect(contentsOf(table).map(([name]) => name)).toEqual(["d", "c", "b"]);
    table.add(["e", "12"]);
    expect(contentsOf(table).map(([name]) => name)).toEqual(["e", "d"]);
    expect(table.size).toBe(69);
  });

  it("takes a field that just fits, and is emptied by one that does not", () => {
    const table = new DynamicTable(40);
    table.add(["name", "1234"]);
    expect(contentsOf(table)).toEqual([["name", "1234"]]);
    table.add(["name", "12345"]);
    expect([table.length, table.size]).toEqual([0, 0]);
    table.add(["name", "1"]);
    expect(contentsOf(table)).toEqual([["name", "1"]]);
  });

  it("evicts when it is made smaller, and takes more when it is made larger", () => {
    const table = new DynamicTable(3 * 34);
    for (const name of ["a", "b", "c"]) table.add([name, "1"]);
    table.resize(2 * 34);
    expect(contentsOf(table).map(([name]) => name)).toEqual(["c", "b"]);
    table.resize(0);
    expect([table.length, table.size]).toEqual([0, 0]);
    table.add(["d", "1"]);
    expect(table.length).toBe(0);
    table.resize(4 * 34);
    for (const name of ["e", "f", "g", "h", "i"]) table.add([name, "1"]);
    expect(contentsOf(table).map(([name]) => name)).toEqual(["i", "h", "g", "f"]);
  });

  it("does what a plain list does", () => {
    const random = seededRandom(7541);
    const table = new DynamicTable(4096);
    let maxSize = 4096;
    let expected: HeaderField[] = [];
    const fit = (): void => {
      while (expected.reduce((sum, field) => sum + sizeOfField(field), 0) > maxSize) expected = expected.slice(0, -1);
    };
    for (let step = 0; step < 3_000; step++) {
      if (random() < 0.02) {
        maxSize = Math.floor(random() * 4097);
        table.resize(maxSize);
      } else {
        const field: HeaderField = [`n${step}`, "v".repeat(Math.floor(random() ** 4 * 300))];
        table.add(field);
        expected = [field, ...expected];
      }
      fit();
      expect(contentsOf(table)).toEqual(expected);
      expect(table.at(expected.length)).toBeUndefined();
      expect(table.size).toBe(expected.reduce((sum, field) => sum + sizeOfField(field), 0));
    }
  });
});
