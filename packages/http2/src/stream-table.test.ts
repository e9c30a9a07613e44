import { describe, expect, it } from "vitest";
import type { ClientStream } from "./client-stream.ts";
import { StreamTable } from "./stream-table.ts";

const stream = (id: number, isBackground = false): ClientStream => ({ id, isBackground }) as ClientStream;

/** A table in which the streams up to `last` were opened, and have ended but for `open`. */
function tableOf(last: number, open: readonly number[] = []): StreamTable {
  const table = new StreamTable(1);
  for (let id = 1; id <= last; id += 2) table.add(stream(id));
  for (const each of table.all) if (!open.includes(each.id)) table.delete(each, false);
  return table;
}

/** Those of `ids` whose DATA would be the peer's error. */
function refused(table: StreamTable, ids: readonly number[]): number[] {
  return ids.filter((id) => {
    try {
      table.find(id, "DATA");
      return false;
    } catch {
      return true;
    }
  });
}

describe("StreamTable", () => {
  it("finds the open streams", () => {
    const table = tableOf(5, [3]);
    expect(table.find(3, "DATA")?.id).toBe(3);
    expect(table.all.map(({ id }) => id)).toEqual([3]);
    expect(table.rpcs).toBe(1);
    expect(table.nextId).toBe(7);
  });

  it("tells RPCs from streams in the background", () => {
    const table = tableOf(5, [3]);
    const background = stream(7, true);
    table.add(background);
    expect([table.rpcs, table.background, table.all.length]).toEqual([1, 1, 2]);
    table.delete(background, true);
    table.delete(background, true);
    expect([table.rpcs, table.background, table.all.length]).toEqual([1, 0, 1]);
  });

  it("refuses frames of streams that were never opened, and some of those that have ended", () => {
    const table = tableOf(5, [3]);
    expect(() => table.get(7, "RST_STREAM")).toThrow("RST_STREAM on stream 7, which was never opened");
    expect(() => table.get(2, "RST_STREAM")).toThrow("RST_STREAM on stream 2, which was never opened");
    expect(table.get(5, "RST_STREAM")).toBeUndefined();
    expect(() => table.find(5, "DATA")).toThrow("DATA on stream 5, which has ended");
  });

  it("lets the frames pass that were under way when we reset a stream", () => {
    const table = tableOf(9, [5, 9]);
    for (const each of table.all) table.delete(each, true);
    expect(refused(table, [1, 3, 5, 7, 9])).toEqual([1, 3, 7]);
    expect(table.find(5, "DATA")).toBeUndefined();
  });

  it("forgets the resets that are the oldest, and then lets everything pass up to them", () => {
    const table = new StreamTable(1);
    for (let id = 1; id <= 4_001; id += 2) table.add(stream(id));
    table.delete(stream(101), true);
    for (let id = 201; id < 201 + 2 * 1_000; id += 2) table.delete(stream(id), true);
    for (const each of table.all) table.delete(each, false);
    expect(refused(table, [1, 99, 101, 103, 199, 201, 2_199, 2_201])).toEqual([103, 199, 2_201]);
  });

  it("says when no id is left", () => {
    const table = new StreamTable(2 ** 31 - 1);
    expect(table.isUsedUp).toBe(false);
    table.add(stream(2 ** 31 - 1));
    expect(table.isUsedUp).toBe(true);
  });
});
