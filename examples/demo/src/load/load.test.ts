import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { startClosedLoad } from "./closed-load.ts";
import { startPacedLoad } from "./paced-load.ts";

describe("startPacedLoad", () => {
  it("sends what is due by the clock, also what it could not send in time", async () => {
    const startedAt = performance.now();
    const due: number[] = [];
    const load = startPacedLoad({ rate: 200, seconds: 1, startedAt, send: async (dueAt) => void due.push(dueAt) });
    await sleep(50);
    const blockedUntil = performance.now() + 100;
    while (performance.now() < blockedUntil);
    await sleep(20);
    await load.stop();
    const elapsedMs = performance.now() - startedAt;
    expect(due).toEqual(due.map((_, index) => startedAt + index * 5));
    expect(due.length).toBeGreaterThanOrEqual(30); // 150 ms had passed when it was free again
    expect(due.length).toBeLessThanOrEqual(elapsedMs / 5 + 1);
    expect(load.progress).toBeGreaterThanOrEqual(elapsedMs / 1_000);
  });

  it("does not spin between RPCs that are weeks apart", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    const startedAt = performance.now();
    const load = startPacedLoad({ rate: 1e-9, seconds: 1, startedAt, send: async () => {} });
    await sleep(10);
    await load.stop();
    expect(warnings).toEqual([]);
  });

  it("waits for the RPCs under way when it stops, and sends no more", async () => {
    let sent = 0;
    let completed = 0;
    const send = async (): Promise<void> => {
      sent++;
      await sleep(30);
      completed++;
    };
    const load = startPacedLoad({ rate: 1_000, seconds: 1, startedAt: performance.now(), send });
    await sleep(10);
    await load.stop();
    expect(sent).toBeGreaterThan(0);
    expect(completed).toBe(sent);
  });
});

describe("startClosedLoad", () => {
  it("keeps as many RPCs under way as there are callers, and goes on after the last one that was asked for", async () => {
    let underWay = 0;
    let most = 0;
    const load = startClosedLoad({
      callers: 3,
      rpcsPerCaller: 2,
      async send() {
        underWay++;
        most = Math.max(most, underWay);
        await sleep(1);
        underWay--;
      },
    });
    expect(load.progress).toBe(0);
    while (load.progress < 2) await sleep(1);
    await load.stop();
    expect(most).toBe(3);
    expect(underWay).toBe(0);
  });

  it("lets the rest of the process run while RPCs fail without I/O", async () => {
    const load = startClosedLoad({ callers: 2, rpcsPerCaller: 1, send: async () => {} });
    await sleep(1);
    await load.stop();
    expect(load.progress).toBeGreaterThanOrEqual(1);
  });
});
