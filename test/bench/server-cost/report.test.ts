import { describe, expect, test } from "vitest";
import { type PluginCase, pluginTarget, type Variant } from "./cases.ts";
import { idleJson, idleTable, pluginJson, pluginTable } from "./report.ts";
import type { IdleResult } from "./run-idle.ts";

const h2c: PluginCase = { server: "h2c", variants: ["bare", "all-on"], rpcsPerHalf: 1, warmUpRpcs: 1 };
const measured = (bare: number[], allOn: number[]) => {
  return {
    case: h2c,
    rounds: new Map<Variant, number[]>([
      ["bare", bare],
      ["all-on", allOn],
    ]),
  };
};

describe("server-plugin", () => {
  test("compares a variant with the bare server round by round", () => {
    // the machine was slow in the second round, for both
    const rows = pluginJson(measured([50, 90, 52], [51, 92, 55]))
      .trim()
      .split("\n")
      .map((row) => JSON.parse(row));
    expect(rows).toEqual([
      {
        ...{ case: "server-plugin", server: "h2c", variant: "bare", cpuUsPerRpc: 52 },
        ...{ addedUsPerRpc: null, addedQuartilesUs: null },
      },
      {
        ...{ case: "server-plugin", server: "h2c", variant: "all-on", cpuUsPerRpc: 55 },
        ...{ addedUsPerRpc: 2, addedQuartilesUs: [1, 3] },
      },
    ]);
  });

  test("judges what is added on h2c", () => {
    const { atMostUs } = pluginTarget;
    expect(pluginTable([measured([50], [50 + atMostUs])])).toContain(`target ≤ ${atMostUs}: met`);
    expect(pluginTable([measured([50], [50.1 + atMostUs])])).toContain(`target ≤ ${atMostUs}: missed`);
  });
});

describe("idle-connections", () => {
  const result: IdleResult = {
    ...{ variant: "managed", connections: 10_000, idleMs: 12_000 },
    ...{ rssBytesPerConnection: 16_743.2, heapBytesPerConnection: 2_072.3, idleCpuMs: 3.4529 },
  };

  test("rows are of whole bytes", () => {
    expect(JSON.parse(idleJson(result))).toEqual({
      ...{ case: "idle-connections", variant: "managed", connections: 10_000, idleMs: 12_000 },
      ...{ rssBytesPerConnection: 16_743, heapBytesPerConnection: 2_072, idleCpuMs: 3.453 },
    });
  });

  test("the table has a line for each variant", () => {
    const lines = idleTable([{ ...result, variant: "bare" }, result])
      .trimEnd()
      .split("\n");
    expect(lines).toHaveLength(4);
    expect(lines.at(-1)).toMatch(/^managed +16743 +2072 +3\.5$/);
    expect(idleTable([])).toBe("");
  });
});
