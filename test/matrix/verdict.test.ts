import { describe, expect, test } from "vitest";
import type { Cell } from "./cells.ts";
import type { CellResult } from "./result.ts";
import { findingsOf } from "./verdict.ts";

function result(cell: Partial<Cell>, rest: Partial<CellResult> = {}): CellResult {
  return {
    cell: { server: "connect-node-h2c", client: "evenkeel-grpc", event: "max-age", retire: "two-phase", ...cell },
    rpcs: 5_000,
    failed: 0,
    errors: {},
    failedExecuted: 0,
    executedTwice: 0,
    unexecuted: 0,
    retired: 20,
    remarks: [],
    ...rest,
  };
}

const refused = "[internal] Stream closed with error code NGHTTP2_REFUSED_STREAM";
const missed = (...results: CellResult[]) => findingsOf(results).filter(({ met }) => !met);

describe("findingsOf", () => {
  test("nothing is judged of what did not run", () => {
    expect(findingsOf([])).toEqual([]);
    expect(findingsOf([result({ event: "none", client: "grpc-js-rr" }, { failed: 9_999 })])).toEqual([]);
  });

  test("ours may lose nothing in two phases, and that decides", () => {
    expect(missed(result({}))).toEqual([]);
    expect(missed(result({}, { failed: 1 }))).toMatchObject([
      { what: expect.stringContaining("connect-node-h2c evenkeel-grpc"), decides: true },
    ]);
  });

  test("ours may lose RPCs in one phase, and execute none twice", () => {
    expect(missed(result({ retire: "one-phase" }, { failed: 1 }))).toEqual([]);
    expect(missed(result({ retire: "one-phase" }, { executedTwice: 1 }))).toMatchObject([{ decides: true }]);
    expect(missed(result({ retire: "one-phase" }, { unexecuted: 1 }))).toMatchObject([{ decides: true }]);
  });

  test("connect-node over HTTP/1.1 may lose nothing in two phases, and that decides", () => {
    const cell = { server: "fastify-h1", client: "connect-node-h1" } as const;
    expect(missed(result(cell, { failed: 1 }))).toMatchObject([{ decides: true }]);
    expect(missed(result(cell), result({ ...cell, retire: "one-phase" }, { failed: 900 }))).toEqual([]);
  });

  test("grpc-js may lose 10 of 20 000 in a cell", () => {
    const cell = { client: "grpc-js-rr" } as const;
    expect(missed(result(cell, { rpcs: 20_000, failed: 10 }))).toEqual([]);
    expect(missed(result(cell, { rpcs: 20_000, failed: 11 }))).toMatchObject([{ decides: false }]);
    expect(missed(result(cell, { rpcs: 5_000, failed: 3 }))).toMatchObject([
      { what: expect.stringContaining("12.0 of 20000") },
    ]);
  });

  test("grpc-js may lose a tenth of what it loses in one phase, over the pairs of cells", () => {
    const tls = { client: "grpc-js-rr", server: "connect-node-tls" } as const;
    const plain = { client: "grpc-js-rr" } as const;
    const twoPhase = [result(plain, { rpcs: 50_000, failed: 20 }), result(tls, { rpcs: 50_000, failed: 0 })];
    const onePhase = (failed: number) => [
      result({ ...plain, retire: "one-phase" }, { rpcs: 50_000, failed }),
      result({ ...tls, retire: "one-phase" }, { rpcs: 50_000, failed: 100 }),
    ];
    expect(missed(...twoPhase, ...onePhase(100))).toEqual([]);
    expect(missed(...twoPhase, ...onePhase(99))).toMatchObject([{ what: expect.stringContaining("10.1 %") }]);
    expect(missed(...twoPhase)).toEqual([]); // there is nothing to compare with
  });

  test("grpc-js that loses nothing in one phase may lose nothing in two", () => {
    const cell = { client: "grpc-js-rr" } as const;
    const onePhase = result({ ...cell, retire: "one-phase" });
    expect(missed(result(cell), onePhase)).toEqual([]);
    expect(missed(result(cell, { failed: 1 }), onePhase)).toMatchObject([{ what: expect.stringContaining("100.0 %") }]);
  });

  test("connect-node may lose 192 out of its queue in 20 retirements", () => {
    const cell = { client: "connect-node-grpc" } as const;
    const losing = (failed: number, retired: number) =>
      result(cell, { failed, retired, errors: { [refused]: failed } });
    expect(missed(losing(192, 1))).toEqual([]);
    expect(missed(losing(192, 20))).toEqual([]);
    expect(missed(losing(193, 20))).toMatchObject([{ decides: false }]);
    expect(missed(losing(384, 21))).toEqual([]);
  });

  test("connect-node may drop the answers that node drops, and lose nothing else", () => {
    const cell = { client: "connect-node-grpc" } as const;
    const dropping = { failed: 500, errors: { "[unknown] Premature close": 500 } };
    expect(findingsOf([result(cell, dropping)])).toContainEqual({
      what: expect.stringContaining("500 answers dropped"),
      met: true,
      decides: false,
    });
    expect(missed(result(cell, { failed: 1, errors: { "read ECONNRESET": 1 } }))).toHaveLength(1);
  });
});
