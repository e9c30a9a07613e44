import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { closeOf } from "../test-helpers/api-server.ts";
import { Resolving, refuse, startWorld, turns } from "../test-helpers/resolving.ts";
import { modified, podEndpoint, slice } from "../test-helpers/slices.ts";
import { apiServerAt } from "./api/api-server-at.ts";

const one = slice("orders-1", { endpoints: [podEndpoint(1)] });

describe("the end of a resolver", () => {
  test("while it lists, while it watches, and while it pauses is silent", async () => {
    for (const updates of [0, 1]) {
      for (const status of [200, 500]) {
        const api = await startWorld({ slices: [one] });
        if (status !== 200) api.world.first = refuse(status, "no");
        const resolving = new Resolving(api);
        if (updates === 1) await resolving.update(1);
        else await api.http.request(1);
        resolving.resolver.close();
        resolving.resolver.resolveNow();
        await turns();
        await resolving.clock.advance(60_000);
        await turns();
        expect(resolving.updates).toHaveLength(updates);
        expect(resolving.clock.pending).toBe(0);
      }
    }
  });

  test("while it waits for the Service is silent", async () => {
    const api = await startWorld();
    let answer = (): void => {};
    api.world.first = ({ path, json }) => {
      if (!path.includes("/services/")) return false;
      answer = () => json({}, 404);
      return true;
    };
    const resolving = new Resolving(api);
    await api.asked("service shop/orders");
    resolving.resolver.close();
    answer();
    await turns();
    expect(resolving.updates).toEqual([]);
    expect(resolving.clock.pending).toBe(0);
  });

  test("while it waits for its own namespace is silent, and asks for nothing", async () => {
    const api = await startWorld();
    const access = Promise.withResolvers<never>();
    const apiServer = { key: "slow", access: () => access.promise };
    const resolving = new Resolving(undefined, { target: "http://orders", apiServer });
    resolving.resolver.resolveNow();
    resolving.resolver.close();
    access.reject(new Error("late"));
    await turns();
    expect(resolving.updates).toEqual([]);
    expect(resolving.clock.pending).toBe(0);
    expect(api.log).toEqual([]);
  });

  test("while a set is held back is silent", async () => {
    const api = await startWorld({ slices: [one], ports: [] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    await api.send(modified(slice("orders-1", { version: "60" })));
    while (resolving.clock.pending < 2) await turns(); // that of the watch, and that of the guard
    resolving.resolver.close();
    await turns();
    expect(resolving.clock.pending).toBe(0);
    resolving.clock.tick(60_000);
    expect(resolving.updates).toHaveLength(1);
  });

  test("may be asked for by whoever is told of what was known when its own namespace is", async () => {
    const api = await startWorld({ slices: [one] });
    const clock = new FakeClock();
    const apiServer = apiServerAt(api.http.url, { namespace: "shop" });
    const first = new Resolving(undefined, { clock, apiServer });
    await first.update(1);
    const watch = await api.http.request(2);
    const second = new Resolving(undefined, { clock, apiServer, target: "http://orders" });
    second.onUpdate = () => second.resolver.close();
    await second.update(1);
    const closed = closeOf(watch.socket);
    first.resolver.close();
    await closed;
    expect(second.updates).toHaveLength(1);
  });

  test("while it pauses before it asks for its own namespace again leaves no timer", async () => {
    const apiServer = { key: "none", access: () => Promise.reject(new Error("no service account")) };
    const resolving = new Resolving(undefined, { target: "http://orders", apiServer });
    expect(await resolving.update(1)).toBe("error Service orders: no service account");
    resolving.resolver.close();
    expect(resolving.clock.pending).toBe(0);
  });

  test("may be asked for by whoever is told of endpoints, and before the factory has returned", async () => {
    const api = await startWorld({ slices: [one] });
    const clock = new FakeClock();
    const first = new Resolving(api, { clock });
    first.onUpdate = () => first.resolver.close();
    await first.update(1);
    await turns();
    expect(clock.pending).toBe(0);
    expect(first.updates).toHaveLength(1);
    for (const { socket } of api.watches) expect(socket.destroyed).toBe(true);
  });
});
