import { AsyncLocalStorage } from "node:async_hooks";
import type { ResolverUpdate } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { closeOf } from "../test-helpers/api-server.ts";
import { Resolving, refuse, startWorld, turns } from "../test-helpers/resolving.ts";
import { added, bookmark, deleted, modified, podEndpoint, slice } from "../test-helpers/slices.ts";
import { apiServerAt } from "./api/api-server-at.ts";

const one = slice("orders-1", { endpoints: [podEndpoint(1)] });
const two = slice("orders-2", { endpoints: [podEndpoint(2)], version: "2" });
const leaving = slice("orders-1", {
  endpoints: [podEndpoint(1, { conditions: { ready: false, serving: true, terminating: true } })],
  version: "50",
});
const empty = slice("orders-1", { endpoints: [], version: "60" });

describe("kubernetes()", () => {
  test("tells of the endpoints that there are, then of each change", async () => {
    const api = await startWorld({ slices: [one] });
    const resolving = new Resolving(api);
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:8080");
    await api.http.request(2);
    await api.send(added(two));
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.2:8080 10.0.0.1:8080");
    await api.send(modified(leaving), bookmark("70"), deleted(two));
    expect(await resolving.update(3)).toBe("endpoints 10.0.0.1:8080");
    await api.send(bookmark("80"), modified(empty));
    expect(await resolving.update(4)).toBe("endpoints");
    expect(api.log).toEqual(["list shop/orders", "watch shop/orders"]);
  });

  test("keeps nothing of the RPC that it began with", async () => {
    const storage = new AsyncLocalStorage<string>();
    const api = await startWorld({ slices: [one] });
    const resolving = storage.run("RPC 1", () => new Resolving(api));
    const seen: unknown[] = [];
    resolving.onUpdate = () => seen.push(storage.getStore());
    await resolving.update(1);
    await api.send(added(two));
    await resolving.update(2);
    expect(seen).toEqual([undefined, undefined]);
  });

  test("tells that the Service is gone, also when it was there a moment ago", async () => {
    const api = await startWorld({ slices: [one], ports: [{ name: "http", port: 81 }] });
    const resolving = new Resolving(api, { target: "http://orders.shop:81" });
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:8080");
    api.world.ports = undefined;
    await resolving.clock.advance(2_000);
    await api.send(deleted(one));
    await vi.waitUntil(() => api.log.filter((entry) => entry === "service shop/orders").length === 2);
    await turns();
    await resolving.clock.advance(10_000);
    expect(await resolving.update(2)).toBe("notFound Service shop/orders does not exist");
  });

  test.each([
    ["http://orders.shop", {}, "shop/orders"],
    ["http://orders.shop.svc", {}, "shop/orders"],
    ["https://orders.shop.svc.cluster.local.:8080", {}, "shop/orders"],
    ["http://orders", { namespace: "shop" }, "shop/orders"],
    ["http://orders.shop", { namespace: "other" }, "other/orders"],
    ["http://gateway.example.com", { service: "orders", namespace: "shop" }, "shop/orders"],
    ["http://10.0.0.1", { service: "orders", namespace: "shop" }, "shop/orders"],
    ["http://carts.shop", { service: "orders" }, "own/orders"],
    ["http://orders", {}, "own/orders"],
  ])("watches the Service of %s with %j", async (target, options, name) => {
    const api = await startWorld({ slices: [one] });
    const apiServer = apiServerAt(api.http.url, { namespace: "own" });
    const resolving = new Resolving(undefined, { target, ...options, apiServer });
    await resolving.update(1);
    expect(api.log[0]).toBe(`list ${name}`);
  });

  test.each(["http://10.0.0.1:8080", "http://[::1]:8080", "http://orders.shop.example.com", "http://or_ders.shop"])(
    "throws for a target that names no Service: %s",
    (target) => {
      expect(() => new Resolving(undefined, { target, apiServer: apiServerAt("http://127.0.0.1:1") })).toThrow(
        "is no name of a Service",
      );
    },
  );

  test("says that it does not know its own namespace, and asks for it again", async () => {
    const api = await startWorld({ slices: [one] });
    let namespace: string | undefined;
    const access = async () => ({ url: new URL(api.http.url), options: {}, namespace });
    const resolving = new Resolving(undefined, { target: "http://orders", apiServer: { key: api.http.url, access } });
    expect(await resolving.update(1)).toBe(
      "error Service orders: its namespace is not known: name it in the target or the options",
    );
    namespace = "shop";
    resolving.clock.tick(1_000);
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.1:8080");
    expect(api.log[0]).toBe("list shop/orders");
  });

  test("gives endpoints the zone of this process: the option's, else the environment's", async () => {
    vi.stubEnv("POD_ZONE", "eu-1");
    onTestFinished(() => void vi.unstubAllEnvs());
    const api = await startWorld({ slices: [one] });
    for (const [options, clientZone] of [
      [{}, "eu-1"],
      [{ zone: "eu-2" }, "eu-2"],
    ] as const) {
      const resolving = new Resolving(api, options);
      await resolving.update(1);
      expect(resolving.updates[0]).toMatchObject({ endpoints: [{ attributes: { clientZone } }] });
    }
    vi.stubEnv("POD_ZONE", "");
    const resolving = new Resolving(api);
    await resolving.update(1);
    const [update] = resolving.updates;
    expect(update?.kind === "endpoints" && update.endpoints[0]?.attributes).toEqual({});
  });

  test("doubts a watch that is silent about what connections say", async () => {
    const api = await startWorld({ slices: [one] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    await api.send(added(two));
    await resolving.update(2);
    await resolving.clock.advance(2_000);
    resolving.resolver.resolveNow();
    await resolving.clock.advance(500);
    await api.http.request(3);
    expect(api.log).toEqual(["list shop/orders", "watch shop/orders", "watch shop/orders"]);
    expect(api.watches[1]?.query).toMatchObject({ resourceVersion: "2" });
  });

  test("asks the kubeconfig's API server where KUBECONFIG is set and this is no pod, else that of the cluster", async () => {
    vi.stubEnv("KUBECONFIG", "/nowhere/kubeconfig");
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv("KUBERNETES_SERVICE_HOST", undefined);
    expect(await new Resolving(undefined).update(1)).toContain("/nowhere/kubeconfig");
    vi.stubEnv("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    expect(await new Resolving(undefined).update(1)).toContain("no service account");
  });

  test("has one watch for all who resolve a Service, whatever their ports and zones", async () => {
    const api = await startWorld({ slices: [one] });
    const clock = new FakeClock();
    const first = new Resolving(api, { clock });
    await first.update(1);
    await api.http.request(2);
    const second = new Resolving(api, { clock, target: "http://orders.shop.svc:80", port: "http", zone: "eu-1" });
    expect(second.updates).toHaveLength(1); // before the factory returned
    const other = new Resolving(api, { clock, target: "http://carts.shop" });
    await other.update(1);
    await api.http.request(4);
    expect(api.log).toEqual(["list shop/orders", "watch shop/orders", "list shop/carts", "watch shop/carts"]);

    first.resolver.close();
    await turns();
    expect(api.http.requests[1]?.socket.destroyed).toBe(false);
    const closed = closeOf(api.http.requests[1]!.socket);
    second.resolver.close();
    await closed;
    expect(api.http.requests[3]?.socket.destroyed).toBe(false);
  });

  test("watches anew after the last one who resolved has closed", async () => {
    const api = await startWorld({ slices: [one] });
    const clock = new FakeClock();
    const first = new Resolving(api, { clock });
    await first.update(1);
    first.resolver.close();
    first.resolver.close();
    api.world.slices = [two];
    const second = new Resolving(api, { clock });
    expect(second.updates).toEqual([]);
    expect(await second.update(1)).toBe("endpoints 10.0.0.2:8080");
    expect(api.log.filter((entry) => entry === "list shop/orders")).toHaveLength(2);
  });

  test("has a watch for each identity at the API server", async () => {
    const api = await startWorld({ slices: [one] });
    const clock = new FakeClock();
    for (const token of ["a", "b"]) {
      const apiServer = apiServerAt(api.http.url, { token });
      await new Resolving(undefined, { clock, apiServer }).update(1);
    }
    expect(api.log.filter((entry) => entry === "list shop/orders")).toHaveLength(2);
  });
});

describe("a set that becomes empty", () => {
  test("is held for 10 s where the endpoints were ready, and over when they are back", async () => {
    const api = await startWorld({ slices: [one] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    await api.http.request(2);
    api.world.ports = [];
    await api.send(deleted(slice("orders-1", { version: "60" })));
    await api.asked("service shop/orders");
    await turns();
    resolving.clock.tick(9_999);
    expect(resolving.updates).toHaveLength(1);
    await api.send(added(two));
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.2:8080");
    resolving.clock.tick(60_000);
    expect(resolving.updates).toHaveLength(2);
  });

  test("is told after 10 s, and that the Service does not exist if it does not", async () => {
    const api = await startWorld({ slices: [one] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    await api.http.request(2);
    await api.send(deleted(slice("orders-1", { version: "60" })));
    await api.asked("service shop/orders");
    await turns();
    resolving.clock.tick(10_000);
    expect(await resolving.update(2)).toBe("notFound Service shop/orders does not exist");
  });

  test("is told at once where the endpoints were terminating", async () => {
    const api = await startWorld({ slices: [leaving] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    await api.http.request(2);
    await api.send(modified(empty));
    expect(await resolving.update(2)).toBe("endpoints");
  });
});

describe("a failure", () => {
  test("of a watch is told, keeps the set, and is over when a watch opens", async () => {
    const api = await startWorld({ slices: [one] });
    const resolving = new Resolving(api);
    await resolving.update(1);
    (await api.http.request(2)).socket.destroy();
    expect(await resolving.update(2)).toMatch(/^error EndpointSlices of Service shop\/orders: the API server /);
    await resolving.clock.advance(200);
    expect(await resolving.update(3)).toBe("endpoints 10.0.0.1:8080");
    const sets = resolving.updates.filter((update) => update.kind === "endpoints");
    expect((sets[1] as ResolverUpdate & { kind: "endpoints" }).endpoints[0]).toBe(sets[0]?.endpoints[0]);
  });

  test("of the API server is told with its reason, and what to do", async () => {
    for (const [status, message, said] of [
      [401, "Unauthorized", "error EndpointSlices of Service shop/orders: Unauthorized (401). The API server does not"],
      [403, 'User "jane" cannot list', "(403). Grant it with this Role, bound to the user jane:\napiVersion: rbac"],
      [404, "404 page not found", "(404). The API server has no discovery.k8s.io/v1"],
      [500, "etcd is away", "error EndpointSlices of Service shop/orders: etcd is away (500)"],
    ] as const) {
      const api = await startWorld();
      api.world.first = refuse(status, message);
      const resolving = new Resolving(api);
      expect(await resolving.update(1)).toContain(said);
    }
  });

  test("for want of a service account is told with what to do, and tried again", async () => {
    vi.stubEnv("KUBERNETES_SERVICE_HOST", undefined);
    vi.stubEnv("KUBECONFIG", undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    const resolving = new Resolving(undefined);
    const said =
      "error EndpointSlices of Service shop/orders: this process is not in a pod: KUBERNETES_SERVICE_HOST is not set";
    expect(await resolving.update(1)).toContain(said);
    await resolving.clock.advance(200);
    expect(await resolving.update(2)).toContain(said);
  });
});
