import { describe, expect, test } from "vitest";
import { freeBlocks } from "./block.ts";

const devices = (routes: readonly string[], start = 0): string[] =>
  freeBlocks(routes, start).map(({ device }) => device);

describe("freeBlocks", () => {
  test("all of 198.18.0.0/15, from any one on", () => {
    const blocks = freeBlocks([], 63);
    expect(blocks).toHaveLength(64);
    expect(blocks.slice(0, 3).map(({ device }) => device)).toEqual(["ek-198.19.248", "ek-198.18.0", "ek-198.18.8"]);
    for (const { device } of blocks) expect(device.length).toBeLessThan(16); // IFNAMSIZ
    expect(new Set(blocks.flatMap(({ hosts }) => hosts)).size).toBe(64 * 1_022);
  });

  test("keeps pods apart from the two ends of the link", () => {
    const [block] = freeBlocks([], 5);
    expect(block).toMatchObject({
      machine: "198.18.40.1/21",
      gateway: "198.18.40.2/21",
      pods: "198.18.44.0/22",
    });
    expect(block!.hosts[0]).toBe("198.18.44.1");
    expect(block!.hosts.at(-1)).toBe("198.18.47.254");
  });

  test.for([
    ["198.18.0.0/15", 0],
    ["198.0.0.0/8", 0],
    ["198.18.0.0/16", 32],
    ["198.18.9.0/24", 63],
    ["198.18.15.255", 63],
    ["198.17.255.255", 64],
    ["198.20.0.0/16", 64],
    ["default", 64],
    ["128.0.0.0/1", 64],
    ["fd00::/8", 64],
  ] as const)("a route to %s leaves %i blocks", ([route, left]) => {
    expect(devices([route])).toHaveLength(left);
  });

  test("leaves out the right one", () => {
    expect(devices(["198.18.9.0/24", "10.0.0.0/8"]).slice(0, 2)).toEqual(["ek-198.18.0", "ek-198.18.16"]);
  });
});
