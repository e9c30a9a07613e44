import { describe, expect, test } from "vitest";
import type { Cell } from "./cells.ts";
import { formatCell, formatReport, jsonRow } from "./report.ts";
import type { CellResult } from "./result.ts";

const cell: Cell = { server: "connect-node-h2c", client: "grpc-js-rr", event: "max-age", retire: "two-phase" };
const result: CellResult = {
  cell,
  rpcs: 5_010,
  failed: 3,
  errors: { refused: 2, gone: 1 },
  failedExecuted: 1,
  executedTwice: 0,
  unexecuted: 0,
  retired: 31,
  remarks: [],
};

describe("jsonRow", () => {
  test("has what the issue asks for, and nothing else", () => {
    expect(jsonRow(result)).toBe(
      '{"server":"connect-node-h2c","client":"grpc-js-rr","event":"max-age","retire":"two-phase",' +
        '"rpcs":5010,"failed":3,"errors":{"refused":2,"gone":1}}\n',
    );
  });
});

describe("formatCell", () => {
  test("tells the figures, and what else happened", () => {
    expect(formatCell({ ...result, remarks: ["uncaught: oh"] })).toBe(
      "connect-node-h2c grpc-js-rr max-age two-phase: 3 of 5010 failed; uncaught: oh\n",
    );
  });

  test("tells why there are none", () => {
    expect(formatCell({ cell, reason: "it hangs" })).toContain("NO FIGURES, it hangs");
  });
});

describe("formatReport", () => {
  const onePhase: CellResult = { ...result, cell: { ...cell, retire: "one-phase" }, failed: 0, errors: {} };
  const findings = [
    { what: "this", outcome: "met", decides: true },
    { what: "that", outcome: "missed", decides: false },
    { what: "more", outcome: "open", decides: false },
  ] as const;

  test("puts both ways to retire beside each other, in a table for each event", () => {
    const rolling: CellResult = { ...result, cell: { ...cell, event: "rolling" } };
    const lines = formatReport([result, onePhase, rolling], findings).split("\n");
    const rows = lines.filter((line) => line.startsWith("connect-node-h2c ")).map((line) => line.split(/ +/));
    expect(rows).toEqual([
      ["connect-node-h2c", "grpc-js-rr", "3", "5010", "31", "0", "0", "5010", "31", "0"],
      ["connect-node-h2c", "grpc-js-rr", "3", "5010", "31", "0", "–", "–", "–", "–"],
    ]);
    expect(lines.filter((line) => /^(max-age|rolling|none):/.test(line))).toHaveLength(2);
  });

  test("tells every loss's message, and the targets", () => {
    const report = formatReport([result, onePhase], findings);
    expect(report).toContain(
      "connect-node-h2c, grpc-js-rr, max-age, two-phase (1 executed)\n  2 × refused\n  1 × gone\n",
    );
    expect(report).not.toContain("grpc-js-rr, max-age, one-phase");
    expect(report).toContain("met    this\nMISSED that\nopen   more\n");
  });
});
