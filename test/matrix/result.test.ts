import { describe, expect, test } from "vitest";
import type { Cell } from "./cells.ts";
import { notesOf } from "./ledger.ts";
import type { ClientReport } from "./messages.ts";
import { resultOf } from "./result.ts";

const cell: Cell = { server: "fastify-h2c", client: "evenkeel-grpc", event: "rolling", retire: "two-phase" };
const report = (rpcs: number, ...losses: ClientReport["losses"]): ClientReport => {
  return { kind: "report", rpcs, losses, uncaught: [] };
};

describe("resultOf", () => {
  test("compares what the client saw with what the pods noted", () => {
    const notes = notesOf("100\nretired\n101\n101\n103\nretired\n");
    const lost = { key: 103, message: "stream 7 is lost" };
    const { rpcs, failed, failedExecuted, executedTwice, unexecuted, retired } = resultOf(
      cell,
      100,
      report(5, lost, { key: 104, message: "stream 9 is lost" }),
      notes,
      [],
    );
    expect({ rpcs, failed, failedExecuted, executedTwice, unexecuted, retired }).toEqual({
      rpcs: 5,
      failed: 2,
      failedExecuted: 1, // 103; 104 never arrived
      executedTwice: 1, // 101
      unexecuted: 1, // 102
      retired: 2,
    });
  });

  test("executions of other cells do not count", () => {
    const { executedTwice, unexecuted } = resultOf(cell, 100, report(1), notesOf("99\n99\n100\n101\n101\n"), []);
    expect({ executedTwice, unexecuted }).toEqual({ executedTwice: 0, unexecuted: 0 });
  });

  test("the same message with other numbers is the same error", () => {
    const losses = [1, 2, 3].map((key) => ({ key, message: `stream ${key} is lost` }));
    const { errors } = resultOf(cell, 1, report(3, ...losses, { key: 4, message: "gone" }), notesOf(""), []);
    expect(errors).toEqual({ "stream N is lost": 3, gone: 1 });
  });

  test("what nobody was told of is a remark", () => {
    const { remarks } = resultOf(cell, 1, { ...report(0), uncaught: ["oh"] }, notesOf(""), [
      "pod-1 exited with code 1: ",
    ]);
    expect(remarks).toEqual(["uncaught: oh", "pod-1 exited with code 1: "]);
  });
});
