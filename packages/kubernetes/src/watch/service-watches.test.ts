import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { startWorld } from "../../test-helpers/resolving.ts";
import { apiServerAt } from "../api/api-server-at.ts";
import type { ServiceWatch } from "./service-watch.ts";
import { serviceWatchOf } from "./service-watches.ts";

const orders = { service: "orders", namespace: "shop" };
const server = apiServerAt("http://127.0.0.1:1");
const silent = { synced() {}, failed() {} };

describe("the watches of a process", () => {
  const clock = new FakeClock();
  const watchOf = (name: Partial<typeof orders> = {}, of = server): ServiceWatch =>
    serviceWatchOf(of, { ...orders, ...name }, { clock, random: () => 0.5 });

  test("are one for each Service, namespace, and identity at an API server", () => {
    expect(watchOf()).toBe(watchOf());
    expect(watchOf({}, apiServerAt("http://127.0.0.1:1"))).toBe(watchOf());
    const others = [
      watchOf({ service: "carts" }),
      watchOf({ namespace: "other" }),
      watchOf({}, apiServerAt("http://127.0.0.1:2")),
      watchOf({}, apiServerAt("http://127.0.0.1:1", { token: "other" })),
      serviceWatchOf(server, orders, { clock: new FakeClock(), random: () => 0.5 }),
    ];
    expect(new Set([watchOf(), ...others]).size).toBe(6);
  });

  test("are another once nobody listens any more", () => {
    const watch = watchOf();
    const leaves = [watch.add(silent), watch.add(silent)];
    leaves[0]?.();
    expect(watchOf()).toBe(watch);
    leaves[1]?.();
    const next = watchOf();
    expect(next).not.toBe(watch);
    leaves[1]?.(); // once more, which is not the next one's business
    expect(watchOf()).toBe(next);
  });

  test("are asked to run for 450 s, ±1/3, so that not all begin anew at a time", async () => {
    for (const [random, seconds] of [
      [0, "300"],
      [0.5, "450"],
      [1 - 2 ** -32, "600"],
    ] as const) {
      const api = await startWorld();
      const context = { clock: new FakeClock(), random: () => random };
      const leave = serviceWatchOf(apiServerAt(api.http.url), orders, context).add(silent);
      expect((await api.http.request(2)).query["timeoutSeconds"]).toBe(seconds);
      leave();
    }
  });
});
