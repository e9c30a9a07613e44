import { describe, expect, it } from "vitest";
import { type DecodedBlock, HpackDecoder } from "./decoder.ts";
import { tableSizeUpdate } from "./encoder.ts";
import { type HeaderField, sizeOfField } from "./header-field.ts";
import { HpackError } from "./hpack-error.ts";
import { encodeHuffman } from "./huffman.ts";
import { staticTable } from "./static-table.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
const text = (latin1: string): string => Buffer.from(latin1, "latin1").toString("hex");
const newDecoder = (maxTableSize = 4096, maxHeaderListSize = 2 ** 16): HpackDecoder =>
  new HpackDecoder({ maxTableSize, maxHeaderListSize });

function fieldsOf(block: DecodedBlock): readonly HeaderField[] {
  if (block.tooLarge) throw new Error(`expected fields, got a list of ${block.size} bytes, which is too large`);
  return block.fields;
}

/** The dynamic table, newest first, asked for by index until there is none. Leaves the table as it is. */
function tableOf(decoder: HpackDecoder): HeaderField[] {
  const entries: HeaderField[] = [];
  for (let index = 62; ; index++) {
    try {
      entries.push(fieldsOf(decoder.decode(Buffer.from([0x80 | index])))[0]!);
    } catch (error) {
      expect(error).toEqual(new HpackError(`index ${index}, expected 1 to ${index - 1}`));
      return entries;
    }
  }
}

const get = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
] as const;
const getSecure = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
] as const;
const noCache = ["cache-control", "no-cache"] as const;
const custom = ["custom-key", "custom-value"] as const;
const isPrivate = ["cache-control", "private"] as const;
const date21 = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"] as const;
const date22 = ["date", "Mon, 21 Oct 2013 20:13:22 GMT"] as const;
const location = ["location", "https://www.example.com"] as const;
const gzip = ["content-encoding", "gzip"] as const;
const setCookie = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"] as const;

interface Step {
  readonly title: string;
  readonly block: string;
  readonly fields: readonly HeaderField[];
  readonly table: readonly HeaderField[];
  readonly tableSize: number;
}

const requests = [
  { fields: get, table: [get[3]], tableSize: 57 },
  { fields: [...get, noCache], table: [noCache, get[3]], tableSize: 110 },
  { fields: [...getSecure, custom], table: [custom, noCache, get[3]], tableSize: 164 },
];
const responses = [
  {
    fields: [[":status", "302"], isPrivate, date21, location],
    table: [location, date21, isPrivate, [":status", "302"]],
    tableSize: 222,
  },
  {
    fields: [[":status", "307"], isPrivate, date21, location],
    table: [[":status", "307"], location, date21, isPrivate],
    tableSize: 222,
  },
  {
    fields: [[":status", "200"], isPrivate, date22, location, gzip, setCookie],
    table: [setCookie, gzip, date22],
    tableSize: 215,
  },
] as const;

function steps(section: string, results: readonly Omit<Step, "title" | "block">[], blocks: readonly string[]): Step[] {
  return results.map((result, position) => ({
    title: `${section}.${position + 1}`,
    block: blocks[position]!,
    ...result,
  }));
}

/** RFC 7541, appendix C: the blocks of a row are those of one connection. */
const examples: readonly (readonly [title: string, maxTableSize: number, steps: readonly Step[]])[] = [
  [
    "C.2.1: literal with indexing",
    4096,
    steps(
      "C.2.1",
      [{ fields: [["custom-key", "custom-header"]], table: [["custom-key", "custom-header"]], tableSize: 55 }],
      ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"],
    ),
  ],
  [
    "C.2.2: literal without indexing",
    4096,
    steps(
      "C.2.2",
      [{ fields: [[":path", "/sample/path"]], table: [], tableSize: 0 }],
      ["040c 2f73 616d 706c 652f 7061 7468"],
    ),
  ],
  [
    "C.2.3: literal never indexed",
    4096,
    steps(
      "C.2.3",
      [{ fields: [["password", "secret"]], table: [], tableSize: 0 }],
      ["1008 7061 7373 776f 7264 0673 6563 7265 74"],
    ),
  ],
  ["C.2.4: indexed", 4096, steps("C.2.4", [{ fields: [[":method", "GET"]], table: [], tableSize: 0 }], ["82"])],
  [
    "C.3: requests",
    4096,
    steps("C.3", requests, [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ]),
  ],
  [
    "C.4: requests, Huffman-coded",
    4096,
    steps("C.4", requests, [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ]),
  ],
  [
    "C.5: responses, with evictions",
    256,
    steps("C.5", responses, [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
       546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
       6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
       2076 6572 7369 6f6e 3d31`,
    ]),
  ],
  [
    "C.6: responses, Huffman-coded, with evictions",
    256,
    steps("C.6", responses, [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
       8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
       dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ]),
  ],
];

describe("RFC 7541, appendix C", () => {
  it.each(examples)("%s", (_title, maxTableSize, blocks) => {
    const decoder = newDecoder(maxTableSize);
    for (const { title, block, fields, table, tableSize } of blocks) {
      expect(fieldsOf(decoder.decode(bytes(block))), title).toEqual(fields);
      const entries = tableOf(decoder);
      expect(entries, title).toEqual(table);
      expect(entries.reduce((sum, entry) => sum + sizeOfField(entry), 0)).toBe(tableSize);
    }
  });

  it.each(examples)(
    "%s: cut anywhere, the last block is an HpackError or ends with a field",
    (_title, size, blocks) => {
      const last = bytes(blocks.at(-1)!.block);
      const { fields } = blocks.at(-1)!;
      const taken: (readonly HeaderField[])[] = [];
      for (let length = 0; length < last.length; length++) {
        const decoder = newDecoder(size);
        for (const { block } of blocks.slice(0, -1)) decoder.decode(bytes(block));
        try {
          taken.push(fieldsOf(decoder.decode(last.subarray(0, length))));
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
      }
      // cut before each of its fields, and nowhere else
      expect(taken).toEqual(fields.map((_, count) => fields.slice(0, count)));
    },
  );
});

describe("indexed fields", () => {
  it("are the very entries of the static table", () => {
    const decoder = newDecoder();
    for (const [position, entry] of staticTable.entries()) {
      expect(fieldsOf(decoder.decode(Buffer.from([0x80 | (position + 1)])))[0]).toBe(entry);
    }
  });

  it("are the very entries of the dynamic table, in this block and in later ones", () => {
    const decoder = newDecoder();
    const [added, again] = fieldsOf(decoder.decode(bytes(`4001${text("a")}01${text("1")} be`)));
    expect(again).toBe(added);
    decoder.decode(bytes(`4001${text("b")}01${text("2")}`));
    expect(fieldsOf(decoder.decode(bytes("bf")))[0]).toBe(added);
  });

  it("may have an index of many bytes", () => {
    const decoder = newDecoder();
    const names = Array.from({ length: 100 }, (_, position) => String.fromCharCode(position));
    decoder.decode(bytes(names.map((name) => `4001${text(name)}00`).join("")));
    // 161 is the oldest of 100
    expect(fieldsOf(decoder.decode(bytes("ff22")))).toEqual([["\x00", ""]]);
    expect(() => decoder.decode(bytes("ff23"))).toThrow(new HpackError("index 162, expected 1 to 161"));
  });

  it.each([
    ["80", 0],
    ["be", 62],
    ["ff00", 127],
    ["ff80ffffff07", 2 ** 31 - 1],
    ["7e01 61", 62],
    ["0f2f 0161", 62],
    ["1f2f 0161", 62],
  ])("refuses %s, for the index %d", (block, index) => {
    expect(() => newDecoder().decode(bytes(block))).toThrow(new HpackError(`index ${index}, expected 1 to 61`));
  });

  it("refuses the index of what was evicted", () => {
    const decoder = newDecoder(34);
    decoder.decode(bytes(`4001${text("a")}01${text("1")} 4001${text("b")}01${text("2")}`));
    expect(fieldsOf(decoder.decode(bytes("be")))).toEqual([["b", "2"]]);
    expect(() => decoder.decode(bytes("bf"))).toThrow(HpackError);
  });
});

describe("literals", () => {
  it("may take the name of the entry that they evict", () => {
    const decoder = newDecoder(40);
    decoder.decode(bytes(`4004${text("name")}01${text("1")}`));
    expect(fieldsOf(decoder.decode(bytes(`7e01${text("2")}`)))).toEqual([["name", "2"]]);
    expect(tableOf(decoder)).toEqual([["name", "2"]]);
  });

  it("are kept in the table only if they say so", () => {
    const decoder = newDecoder();
    const name = `04${text("name")}`;
    decoder.decode(bytes(`00${name}01${text("1")} 10${name}01${text("2")} 40${name}01${text("3")}`));
    expect(tableOf(decoder)).toEqual([["name", "3"]]);
  });

  it("are fields even if they are larger than the table, which they empty", () => {
    const decoder = newDecoder(40);
    decoder.decode(bytes(`4004${text("name")}01${text("1")}`));
    expect(fieldsOf(decoder.decode(bytes(`4004${text("name")}05${text("12345")}`)))).toEqual([["name", "12345"]]);
    expect(tableOf(decoder)).toEqual([]);
  });

  it("are latin1, Huffman-coded or not", () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    const coded = encodeHuffman(all);
    const raw = Buffer.concat([bytes("0001 61 7f8101"), Buffer.from(all, "latin1")]);
    const lengthOfCoded = Buffer.from([0xff, ((coded.length - 127) & 0x7f) | 0x80, (coded.length - 127) >> 7]);
    const huffman = Buffer.concat([bytes("0001 62"), lengthOfCoded, coded]);
    expect(fieldsOf(newDecoder().decode(Buffer.concat([raw, huffman])))).toEqual([
      ["a", all],
      ["b", all],
    ]);
  });

  it("keep nothing of the block", () => {
    const decoder = newDecoder();
    const block = bytes(`4004${text("name")}05${text("value")}`);
    const decoded = decoder.decode(block);
    block.fill(0);
    expect(fieldsOf(decoded)).toEqual([["name", "value"]]);
    expect(tableOf(decoder)).toEqual([["name", "value"]]);
  });

  it.each([
    ["a string longer than the block", "0003 6162", "a string of 3 bytes, with 2 left"],
    ["a string of 2 GiB", "00 7f80ffffff07 61", "a string of 2147483647 bytes, with 1 left"],
    ["a length above 2^31-1", "00 7f81ffffff07 61", "an integer of 2147483648, above 2^31-1"],
    ["a length without end", "00 7f8080808080808080", "an integer of more than 5 bytes after its first"],
    ["no name", "40", "the block ends in the middle of a field"],
    ["no value", "4001 61", "the block ends in the middle of a field"],
    ["a bad padding", "0001 61 81 00", "a Huffman-coded string with a padding that is not up to 7 ones"],
    ["an end-of-string symbol", "0001 61 84 ffffffff", "the end-of-string symbol in a Huffman-coded string"],
  ])("are refused with %s", (_title, block, message) => {
    expect(() => newDecoder().decode(bytes(block))).toThrow(new HpackError(message));
  });
});

describe("dynamic table size updates", () => {
  const filled = (): HpackDecoder => {
    const decoder = newDecoder(256);
    decoder.decode(bytes(`4001${text("a")}01${text("1")} 4001${text("b")}01${text("2")}`));
    return decoder;
  };

  it("evict", () => {
    const decoder = filled();
    expect(fieldsOf(decoder.decode(tableSizeUpdate(67)))).toEqual([]);
    expect(tableOf(decoder)).toEqual([["b", "2"]]);
  });

  it("may be two, the first of which empties the table", () => {
    const decoder = filled();
    const block = Buffer.concat([tableSizeUpdate(0), tableSizeUpdate(256), bytes("88")]);
    expect(fieldsOf(decoder.decode(block))).toEqual([[":status", "200"]]);
    expect(tableOf(decoder)).toEqual([]);
    decoder.decode(bytes(`4001${text("c")}01${text("3")}`));
    expect(tableOf(decoder)).toEqual([["c", "3"]]);
  });

  it("may be as large as our settings say, and no larger", () => {
    const decoder = filled();
    decoder.decode(tableSizeUpdate(256));
    expect(tableOf(decoder)).toHaveLength(2);
    expect(() => decoder.decode(tableSizeUpdate(257))).toThrow(
      new HpackError("a dynamic table of 257 bytes, above the 256 of our settings"),
    );
    const byDefault = new HpackDecoder({ maxHeaderListSize: 100 });
    byDefault.decode(tableSizeUpdate(4096));
    expect(() => byDefault.decode(tableSizeUpdate(4097))).toThrow(HpackError);
  });

  it.each(["88 20", "88 20 88", "20 88 20"])("are refused behind a field: %s", (block) => {
    expect(() => newDecoder().decode(bytes(block))).toThrow(
      new HpackError("a dynamic table size update behind a field"),
    );
  });

  it("are refused when they are cut", () => {
    expect(() => newDecoder().decode(bytes("3f"))).toThrow(HpackError);
    expect(() => newDecoder().decode(bytes("3fe1"))).toThrow(HpackError);
  });
});

describe("the header list", () => {
  it("may be empty", () => {
    expect(newDecoder(4096, 0).decode(Buffer.alloc(0))).toEqual({ tooLarge: false, size: 0, fields: [] });
  });

  it("may be as large as our settings say, and no larger", () => {
    const block = bytes("88 88");
    expect(newDecoder(4096, 84).decode(block)).toEqual({
      tooLarge: false,
      size: 84,
      fields: [
        [":status", "200"],
        [":status", "200"],
      ],
    });
    expect(newDecoder(4096, 83).decode(block)).toEqual({ tooLarge: true, size: 84 });
  });

  it("is too large even if its last field would have fitted", () => {
    const block = bytes(`0001${text("a")}0a${text("1234567890")} 88`);
    expect(newDecoder(4096, 42).decode(block)).toEqual({ tooLarge: true, size: 85 });
  });

  it("keeps the table in step when it is too large", () => {
    const decoder = newDecoder(4096, 40);
    decoder.decode(bytes(`4001${text("a")}01${text("1")}`));
    const large = bytes(`4001${text("b")}01${text("2")} 4001${text("c")}01${text("3")}`);
    expect(decoder.decode(large)).toEqual({ tooLarge: true, size: 68 });
    expect(tableOf(decoder)).toEqual([
      ["c", "3"],
      ["b", "2"],
      ["a", "1"],
    ]);
  });

  it("is checked to its end when it is too large", () => {
    expect(() => newDecoder(4096, 40).decode(bytes("88 88 80"))).toThrow(HpackError);
  });

  it("of a small block may be huge, without taking memory", () => {
    const decoder = newDecoder(4096, 2 ** 14);
    decoder.decode(Buffer.concat([bytes("4001 61 7fe01e"), Buffer.alloc(4063, 0x78)]));
    const references = 2 ** 20;
    const block = Buffer.alloc(references, 0xbe);
    const before = process.memoryUsage().heapUsed;
    expect(decoder.decode(block)).toEqual({ tooLarge: true, size: references * 4096 });
    // to keep the fields would take 8 MiB, to copy them 4 GiB
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 ** 22);
  });
});
