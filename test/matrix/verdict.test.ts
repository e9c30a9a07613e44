import { describe, expect, test } from "vitest";
import type { Cell, EventName, ServerName } from "./cells.ts";
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
const missed = (...results: CellResult[]) => findingsOf(results).filter(({ outcome }) => outcome === "missed");
const open = (...results: CellResult[]) => findingsOf(results).filter(({ outcome }) => outcome === "open");

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

  test("our transports may lose nothing on managed servers of grpc-js, and that decides", () => {
    expect(missed(result({ server: "grpc-js-h2c" }, { failed: 1 }))).toMatchObject([
      { what: expect.stringContaining("grpc-js-h2c evenkeel-grpc"), decides: true },
    ]);
  });

  describe.each(["grpc-js-rr", "evenkeel-grpc-js"] as const)("%s", (client) => {
    const pairOf = (server: ServerName, event: EventName, two: number, one: number) => [
      result({ client, server, event }, { rpcs: 50_000, failed: two }),
      result({ client, server, event, retire: "one-phase" }, { rpcs: 50_000, failed: one }),
    ];

    test("may lose 10 of 20 000 in a cell", () => {
      expect(missed(result({ client }, { rpcs: 20_000, failed: 10 }))).toEqual([]);
      expect(missed(result({ client }, { rpcs: 20_000, failed: 11 }))).toMatchObject([{ decides: false }]);
      expect(missed(result({ client }, { rpcs: 5_000, failed: 3 }))).toMatchObject([
        { what: `${client}, connect-node-h2c, max-age: 12.0 of 20000, at most 10` },
      ]);
    });

    test("may lose a tenth of what it loses in one phase, over the pairs of cells", () => {
      const plain = pairOf("connect-node-h2c", "max-age", 20, 100);
      expect(missed(...plain, ...pairOf("connect-node-tls", "max-age", 0, 100))).toEqual([]);
      expect(missed(...plain, ...pairOf("connect-node-tls", "max-age", 0, 99))).toMatchObject([
        { what: `${client}, all cells: 20 lost in two phases, 199 in one: 10.1 %, at most 10.0 %`, decides: false },
      ]);
      expect(missed(...plain.slice(0, 1))).toEqual([]); // there is nothing to compare with
    });

    test("may lose a tenth of what it loses in one phase, on each server of grpc-js", () => {
      const plain = [...pairOf("grpc-js-h2c", "max-age", 20, 200), ...pairOf("grpc-js-h2c", "rolling", 1, 0)];
      const tls = pairOf("grpc-js-tls", "max-age", 0, 500);
      expect(missed(...plain, ...tls)).toMatchObject([
        { what: `${client}, grpc-js-h2c: 21 lost in two phases, 200 in one: 10.5 %, at most 10.0 %`, decides: false },
      ]);
    });

    test("that loses nothing in one phase may lose nothing in two", () => {
      expect(missed(...pairOf("grpc-js-h2c", "max-age", 1, 0))).toMatchObject([
        { what: `${client}, grpc-js-h2c: 1 lost in two phases, 0 in one, at most 10.0 %` },
        { what: `${client}, all cells: 1 lost in two phases, 0 in one, at most 10.0 %` },
      ]);
    });

    test("that loses little in one phase is not judged, unless it loses more in two", () => {
      const what = `${client}, all cells: 2 lost in two phases, 99 in one: too few to compare`;
      expect(open(...pairOf("connect-node-h2c", "max-age", 2, 99))).toMatchObject([{ what, decides: false }]);
      expect(open(...pairOf("connect-node-h2c", "max-age", 0, 0))).toHaveLength(1);
      expect(open(...pairOf("connect-node-h2c", "max-age", 2, 100))).toEqual([]);
      expect(missed(...pairOf("connect-node-h2c", "max-age", 11, 100))).toHaveLength(1);
      expect(missed(...pairOf("connect-node-h2c", "max-age", 4, 3))).toHaveLength(1);
    });
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
      outcome: "met",
      decides: false,
    });
    expect(missed(result(cell, { failed: 1, errors: { "read ECONNRESET": 1 } }))).toHaveLength(1);
  });
});
