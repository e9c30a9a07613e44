import { describe, expect, test } from "vitest";
import { claimAddresses } from "./address-block.ts";

describe("claimAddresses", () => {
  test("own: every pod has an address of its own in one block, and the same port", async () => {
    const block = await claimAddresses("own", undefined);
    const first = block.take();
    const second = block.take();
    expect(first.host).toMatch(/^127\.\d+\.\d+\.1$/);
    expect(second).toEqual({ host: first.host.replace(/\.1$/, ".2"), port: block.port });
    expect(first.port).toBe(block.port);
    await block.close();
  });

  test("own: a given port, also for two blocks at once", async () => {
    const probe = await claimAddresses("own", undefined);
    await probe.close();
    const one = await claimAddresses("own", probe.port);
    const other = await claimAddresses("own", probe.port);
    expect([one.port, other.port]).toEqual([probe.port, probe.port]);
    expect(one.take().host).not.toBe(other.take().host);
    await one.close();
    await other.close();
  });

  test("shared: every pod has a port of its own, which two blocks at once do not share", async () => {
    const blocks = await Promise.all([claimAddresses("shared", undefined), claimAddresses("shared", undefined)]);
    const taken = blocks.flatMap((block) => Array.from({ length: 200 }, () => block.take()));
    expect(new Set(taken.map((address) => address.host))).toEqual(new Set(["127.0.0.1"]));
    expect(new Set([...taken, ...blocks].map((address) => address.port)).size).toBe(402);
    for (const block of blocks) await block.close();
  });

  test("shared: refuses a given port", async () => {
    await expect(claimAddresses("shared", 8080)).rejects.toThrow(/^port: .* leave it out/);
  });

  test("gives an address out again only when no fresh one is left", async () => {
    const block = await claimAddresses("own", undefined);
    const first = block.take();
    block.giveBack(first);
    const hosts = Array.from({ length: 252 }, () => block.take().host);
    expect(hosts).not.toContain(first.host);
    expect(block.take()).toEqual(first);
    expect(() => block.take()).toThrow(/in use/);
    await block.close();
  });
});
