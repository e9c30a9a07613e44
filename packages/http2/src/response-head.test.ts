import type { HeaderList } from "@evenkeel/core";
import { describe, expect, it } from "vitest";
import { readResponseHead } from "./response-head.ts";

describe("readResponseHead", () => {
  it.each([200, 204, 299, 301, 404, 503, 999])("reads a final response of status %i", (status) => {
    const fields: HeaderList = [
      [":status", String(status)],
      ["a", "1"],
      ["a", "2"],
    ];
    expect(readResponseHead(fields, false)).toEqual({ kind: "final", status, headers: fields.slice(1) });
  });

  it.each([100, 102, 103, 199])("reads an informational response of status %i", (status) => {
    expect(readResponseHead([[":status", String(status)]], false)).toEqual({ kind: "informational" });
  });

  it("reads trailers after a head", () => {
    const fields: HeaderList = [["grpc-status", "0"]];
    expect(readResponseHead(fields, true)).toEqual({ kind: "trailers", headers: fields });
    expect(readResponseHead([], true)).toEqual({ kind: "trailers", headers: [] });
  });

  it.each([
    ["nothing", []],
    ["no status", [["a", "1"]]],
    [
      "a status behind a field",
      [
        ["a", "1"],
        [":status", "200"],
      ],
    ],
    [
      "two statuses",
      [
        [":status", "200"],
        [":status", "200"],
      ],
    ],
    [
      "a pseudo-header of requests",
      [
        [":status", "200"],
        [":path", "/"],
      ],
    ],
    ["a status of 101", [[":status", "101"]]],
    ...["", "20", "2000", "099", "000", "2x0", " 200", "200 ", "+20", "1e2"].map(
      (status) => [`a status of ${JSON.stringify(status)}`, [[":status", status]]] as const,
    ),
    [
      "an empty name",
      [
        [":status", "200"],
        ["", "1"],
      ],
    ],
    [
      "a name in upper case",
      [
        [":status", "200"],
        ["X-A", "1"],
      ],
    ],
    [
      "a name with a space",
      [
        [":status", "200"],
        ["x a", "1"],
      ],
    ],
    [
      "a name with a colon",
      [
        [":status", "200"],
        ["x:a", "1"],
      ],
    ],
    [
      "a name that is not ASCII",
      [
        [":status", "200"],
        ["x\xe4", "1"],
      ],
    ],
    [
      "a value with NUL",
      [
        [":status", "200"],
        ["a", "1\0"],
      ],
    ],
    [
      "a value with CR",
      [
        [":status", "200"],
        ["a", "1\r"],
      ],
    ],
    [
      "a value with LF",
      [
        [":status", "200"],
        ["a", "1\nb: 2"],
      ],
    ],
    ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
      (name) =>
        [
          name,
          [
            [":status", "200"],
            [name, "x"],
          ],
        ] as const,
    ),
  ] as readonly (readonly [string, HeaderList])[])("takes a head with %s for malformed", (_name, fields) => {
    expect(readResponseHead(fields, false)).toMatchObject({ kind: "malformed" });
  });

  it.each([
    ["a status", [[":status", "200"]]],
    ["another pseudo-header", [[":path", "/"]]],
    ["a name in upper case", [["Grpc-Status", "0"]]],
  ] as readonly (readonly [string, HeaderList])[])("takes trailers with %s for malformed", (_name, fields) => {
    expect(readResponseHead(fields, true)).toMatchObject({ kind: "malformed" });
  });

  it("takes any latin1 for a value", () => {
    const value = "\t !\x7f\x80\xff";
    expect(
      readResponseHead(
        [
          [":status", "200"],
          ["a", value],
        ],
        false,
      ),
    ).toMatchObject({ headers: [["a", value]] });
  });
});
