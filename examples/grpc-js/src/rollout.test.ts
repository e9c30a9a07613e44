import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Load } from "./load.ts";
import { checkLoss, playRollout } from "./rollout.ts";

/** A client whose RPCs are answered by the pods in turn. */
function inTurn(...pods: readonly string[]) {
  let calls = 0;
  return {
    async getOrder(): Promise<string> {
      await sleep(1);
      return pods[calls++ % pods.length] ?? "";
    },
    close: vi.fn(),
  };
}

describe("playRollout", () => {
  it("rejects when a pod does not get its share", async () => {
    vi.stubEnv("KUBECONFIG", "");
    vi.spyOn(console, "log").mockReturnValue();
    onTestFinished(() => {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
    });
    const client = inTurn(
      "orders-1",
      "orders-1",
      "orders-1",
      "orders-1",
      "orders-1",
      "orders-2",
      "orders-2",
      "orders-3",
    );
    const played = playRollout({ pod: new URL("./server.ts", import.meta.url), clients: { unfair: () => client } });
    await expect(played).rejects.toThrow("a pod does not get its share");
    expect(client.close).toHaveBeenCalledOnce();
  });
});

describe("checkLoss", () => {
  it("allows what grpc-js loses, and no more", () => {
    checkLoss(2_000, 1);
    checkLoss(20_000, 10);
    expect(() => checkLoss(2_000, 2)).toThrow("too many RPCs failed");
    expect(() => checkLoss(20_000, 11)).toThrow("too many RPCs failed");
  });
});

describe("Load", () => {
  it("counts RPCs by pod, from when all have answered", async () => {
    const load = new Load(inTurn("orders-2", "orders-1"));
    const counts = await load.count(["orders-1", "orders-2"], 50);
    await load.stop();
    expect([...counts.keys()]).toEqual(["orders-1", "orders-2"]);
    expect((counts.get("orders-1") ?? 0) + (counts.get("orders-2") ?? 0)).toBeGreaterThanOrEqual(50);
  });

  it("rejects when a pod does not answer, or none any more", async () => {
    const load = new Load(inTurn("orders-1"), 50);
    await expect(load.count(["orders-1", "orders-2"], 1)).rejects.toThrow("orders-2: no RPC in 50 ms");
    await expect(load.count(["orders-1"], 1_000_000)).rejects.toThrow(/^\d+ of 1000000 RPCs in 50 ms$/);
    await load.stop();
  });

  it("counts what fails", async () => {
    const load = new Load({ getOrder: () => Promise.reject(new Error("refused")), close() {} });
    await load.stop();
    expect(load.failures).toEqual(Array.from({ length: load.total }, () => "Error: refused"));
    expect(load.total).toBeGreaterThan(0);
  });
});
