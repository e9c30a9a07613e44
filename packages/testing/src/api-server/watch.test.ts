import { once } from "node:events";
import type { EndpointSlice } from "@evenkeel/kubernetes";
import { describe, expect, test } from "vitest";
import {
  ask,
  failureOf,
  ofOrders,
  send,
  slicesPath,
  start,
  summary,
  versionOf,
  WatchClient,
} from "../../test-helpers/api-client.ts";
import type { PretendApiServer } from "./api-server.ts";

const slice = (name: string, service = "orders"): EndpointSlice => ({
  metadata: { name, labels: { "kubernetes.io/service-name": service } },
  addressType: "IPv4",
  endpoints: [{ addresses: ["10.0.0.1"] }],
  ports: [{ port: 8080 }],
});

/** Changes the slice `a` in a way that it was not before. */
const change = (api: PretendApiServer, port: number): void => void api.setSlice({ ...slice("a"), ports: [{ port }] });

const watchOrders = `${slicesPath}?${ofOrders}&`;

describe("watches", () => {
  test("replay what came after a version, then go on", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    api.setSlice(slice("b"));
    api.deleteSlice("b");
    const watch = await WatchClient.open(api, `${watchOrders}resourceVersion=2&`);
    expect((await watch.take(2)).map(summary)).toEqual(["ADDED b@3", "DELETED b@4"]);
    change(api, 1);
    const event = await watch.next();
    expect(summary(event)).toBe("MODIFIED a@5");
    expect(event.object).toMatchObject({
      kind: "EndpointSlice",
      apiVersion: "discovery.k8s.io/v1",
      ports: [{ port: 1 }],
    });
    expect(api.watches).toMatchObject([
      { resource: "endpointslices", namespace: "default", resourceVersion: "2", events: 3, bookmarks: 0 },
    ]);
    expect(api.eventsSent).toBe(3);
  });

  test("see objects come into and leave what they select", async () => {
    const api = await start();
    const watch = await WatchClient.open(api, `${watchOrders}resourceVersion=1&`);
    api.setSlice(slice("a", "billing"));
    api.setSlice(slice("a", "orders"));
    api.setSlice({ ...slice("a", "billing"), endpoints: [] });
    api.setSlice({ ...slice("x"), metadata: { name: "x", namespace: "shop", labels: slice("x").metadata.labels! } });
    api.setSlice(slice("b"));
    const [added, deleted, last] = await watch.take(3);
    expect([added, deleted, last].map((event) => summary(event!))).toEqual(["ADDED a@3", "DELETED a@4", "ADDED b@6"]);
    expect(deleted!.object).toMatchObject({
      metadata: { labels: { "kubernetes.io/service-name": "orders" } },
      endpoints: [{}],
    });
  });

  test("send what happens in chunks of one event, and what they have at hand in chunks of 2 KiB", async () => {
    const api = await start();
    const many = Array.from({ length: 60 }, (_, index) => ({ addresses: [`10.0.0.${index}`] }));
    for (const name of ["a", "b", "c"]) api.setSlice({ ...slice(name), endpoints: many });
    const [response] = await once(send(api, `${watchOrders}watch=1`), "response");
    expect(response.headers).toMatchObject({ "content-type": "application/json", "transfer-encoding": "chunked" });
    const chunks: string[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(String(chunk)));
    await expect.poll(() => chunks.join("").match(/\n/g)).toHaveLength(3);
    const initial = chunks.splice(0);
    expect(initial.length).toBeGreaterThan(2);
    expect(new Set(initial.slice(0, -1).map(({ length }) => length))).toEqual(new Set([2_048]));
    for (const port of [1, 2, 3]) change(api, port);
    await expect.poll(() => chunks).toHaveLength(3);
    expect(chunks.every((chunk) => JSON.parse(chunk).type === "MODIFIED")).toBe(true);
  });

  test("without a version begin with everything, and tell where it ends to those who want bookmarks", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    const bookmarks = "allowWatchBookmarks=true&";
    const watch = await WatchClient.open(api, watchOrders + bookmarks);
    const [added, end] = await watch.take(2);
    expect(summary(added!)).toBe("ADDED a@2");
    expect(end).toEqual({
      type: "BOOKMARK",
      object: {
        kind: "EndpointSlice",
        apiVersion: "discovery.k8s.io/v1",
        metadata: { resourceVersion: "2", annotations: { "k8s.io/initial-events-end": "true" } },
        addressType: "",
        endpoints: null,
        ports: null,
      },
    });
    for (const query of ["", `resourceVersion=0&${bookmarks}`]) {
      const other = await WatchClient.open(api, watchOrders + query);
      expect(summary(await other.next())).toMatch(/^ADDED a@/);
      if (query !== "") expect((await other.next()).object["metadata"]).toHaveProperty("annotations");
      change(api, api.requests.length);
      expect(summary(await other.next())).toMatch(/^MODIFIED a@/);
    }
    const listing = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=2&";
    const listed = await WatchClient.open(api, watchOrders + bookmarks + listing);
    expect((await listed.take(2)).map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK"]);
  });

  test("from a version to come are silent up to it", async () => {
    const api = await start({ bookmarkMs: 5 });
    const watch = await WatchClient.open(api, `${watchOrders}resourceVersion=1000&allowWatchBookmarks=true&`);
    change(api, 1);
    api.dropWatches("end");
    expect(await watch.rest()).toEqual([]);
  });

  test("get bookmarks now and then, with versions from which one can go on", async () => {
    const api = await start({ bookmarkMs: 10 });
    api.setSlice(slice("a"));
    const watch = await WatchClient.open(api, `${watchOrders}resourceVersion=2&allowWatchBookmarks=true&`);
    const [first, second] = await watch.take(2);
    expect([first!.type, second!.type]).toEqual(["BOOKMARK", "BOOKMARK"]);
    expect(first!.object).toEqual({
      kind: "EndpointSlice",
      apiVersion: "discovery.k8s.io/v1",
      metadata: { resourceVersion: "3" },
      addressType: "",
      endpoints: null,
      ports: null,
    });
    expect(versionOf(second!.object)).toBe("4");
    change(api, 1);
    api.dropWatches("end");
    await watch.rest();
    const next = await WatchClient.open(api, `${watchOrders}resourceVersion=4&`);
    expect(summary(await next.next())).toMatch(/^MODIFIED a@/);
  });

  test("get no bookmarks that they did not ask for, and in a quiet cluster none before a change", async () => {
    const api = await start({ bookmarkMs: 5, quiet: true });
    api.setSlice(slice("a"));
    const watches = await Promise.all([
      WatchClient.open(api, `${watchOrders}resourceVersion=2&allowWatchBookmarks=true&`),
      WatchClient.open(api, `${watchOrders}resourceVersion=2&`),
    ]);
    api.setSlice(slice("b", "billing")); // not of this watch, but a change
    const [asked, unasked] = watches.map((watch) => watch.rest());
    await api.until(() => api.watches[0]!.bookmarks === 1);
    api.setSlice(slice("c", "billing"));
    await api.until(() => api.watches[0]!.bookmarks === 2);
    api.dropWatches("end");
    expect((await asked!).map(summary)).toEqual(["BOOKMARK -@3", "BOOKMARK -@4"]);
    expect(await unasked!).toEqual([]);
  });

  test("get no bookmark in a quiet cluster", async () => {
    const api = await start({ bookmarkMs: 5, quiet: true });
    api.setSlice(slice("a"));
    const quiet = await WatchClient.open(
      api,
      `${watchOrders}resourceVersion=2&allowWatchBookmarks=true&timeoutSeconds=1&`,
    );
    expect(await quiet.rest()).toEqual([]);
  });

  test("end in good order when their time is up, with a last bookmark", { timeout: 10_000 }, async () => {
    const api = await start();
    const path = `${watchOrders}resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=`;
    const [short, long] = await Promise.all([WatchClient.open(api, `${path}1&`), WatchClient.open(api, `${path}3&`)]);
    expect(await short.rest()).toEqual([]);
    expect((await long.rest()).map(({ type }) => type)).toEqual(["BOOKMARK"]);
    expect(short.response.complete && long.response.complete).toBe(true);
    expect(api.watches).toEqual([]);
  });

  test("from a version that is forgotten get a 410 as an event", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    const running = await WatchClient.open(api, `${watchOrders}resourceVersion=2&`);
    api.compact();
    const late = await WatchClient.open(api, `${watchOrders}resourceVersion=2&`);
    expect(late.response.statusCode).toBe(200);
    expect(await late.rest()).toEqual([
      {
        type: "ERROR",
        object: {
          kind: "Status",
          apiVersion: "v1",
          metadata: {},
          status: "Failure",
          message: "too old resource version: 2 (3)",
          reason: "Expired",
          code: 410,
        },
      },
    ]);
    change(api, 1);
    expect(summary(await running.next())).toBe("MODIFIED a@4");
    api.compact({ endWatches: true });
    expect((await running.rest()).map(summary)).toEqual(["ERROR 410"]);
    const current = await WatchClient.open(api, `${watchOrders}resourceVersion=${api.resourceVersion}&`);
    change(api, 2);
    expect(summary(await current.next())).toBe("MODIFIED a@6");
  });

  test("can go back as far as changes are remembered", async () => {
    const api = await start({ historyLimit: 2 });
    for (const port of [1, 2, 3, 4]) change(api, port);
    const [forgotten, known] = await Promise.all(
      [2, 3].map((version) => WatchClient.open(api, `${watchOrders}resourceVersion=${version}&`)),
    );
    expect((await forgotten!.rest()).map(summary)).toEqual(["ERROR 410"]);
    expect((await known!.take(2)).map(summary)).toEqual(["MODIFIED a@4", "MODIFIED a@5"]);
  });

  test("of clients that are gone are over", async () => {
    const api = await start();
    const watch = await WatchClient.open(api, watchOrders);
    await api.untilWatched();
    watch.response.destroy();
    await api.until(() => api.watches.length === 0);
    change(api, 1);
    expect(api.eventsSent).toBe(0);
  });

  test("of other kinds and all namespaces are served, too", async () => {
    const api = await start();
    const [all, services] = await Promise.all([
      WatchClient.open(api, "/apis/discovery.k8s.io/v1/endpointslices?"),
      WatchClient.open(api, "/api/v1/namespaces/default/services?"),
    ]);
    api.setSlice({ metadata: { name: "a", namespace: "shop" }, addressType: "IPv6" });
    api.setService({ metadata: { name: "orders" } });
    expect(summary(await all.next())).toBe("ADDED a@2");
    expect((await services.next()).object).toMatchObject({ kind: "Service", metadata: { name: "orders" } });
  });

  test("carry a thousand changes at a stroke", async () => {
    const api = await start({ historyLimit: 10 });
    const watch = await WatchClient.open(api, watchOrders);
    await api.untilWatched();
    for (let port = 1; port <= 1_000; port++) change(api, port);
    const events = await watch.take(1_000);
    expect(events.map(({ object }) => object["ports"])).toMatchObject(
      Array.from({ length: 1_000 }, (_, index) => [{ port: index + 1 }]),
    );
  });

  test("of clients that read nothing end, as those of the real server", { timeout: 20_000 }, async () => {
    const api = await start({ historyLimit: 1 });
    const [response] = await once(send(api, `${watchOrders}watch=1`), "response");
    response.pause();
    const endpoints = Array.from({ length: 1_000 }, () => ({ addresses: ["10.0.0.1".padEnd(500, "x")] }));
    for (let port = 1; api.watches.length > 0; port++) api.setSlice({ ...slice("a"), ports: [{ port }], endpoints });
    response.resume();
    await once(response, "end");
    expect(response.complete).toBe(true);
  });
});

describe("dropped and stalled watches", () => {
  test.for(["cut", "reset"] as const)("%s breaks off", async (how) => {
    const api = await start();
    const [response] = await once(send(api, `${watchOrders}watch=1`), "response");
    const broken = failureOf(response);
    const dropped = api.watches.length;
    api.dropWatches(how);
    expect(dropped).toBe(1);
    expect(api.watches).toEqual([]);
    let read = "";
    response.on("data", (chunk: Buffer) => {
      read += chunk;
    });
    expect(await broken).toBe("ECONNRESET");
    if (how === "cut") expect(read).toMatch(/^{"type":"MODIFIED","object":{"kind":[^\n]*$/);
  });

  test("stalled ones hear nothing, keep their connections, and catch up", async () => {
    const api = await start({ bookmarkMs: 5 });
    const path = `${watchOrders}allowWatchBookmarks=true&`;
    const stalled = await WatchClient.open(api, `${path}resourceVersion=1&`);
    api.stallWatches();
    const fresh = await WatchClient.open(api, `${watchOrders}resourceVersion=1&`);
    change(api, 1);
    change(api, 2);
    expect((await fresh.take(2)).map(summary)).toEqual(["ADDED a@2", "MODIFIED a@3"]);
    expect(api.watches.map(({ events }) => events)).toEqual([0, 2]);
    api.resumeWatches();
    expect((await stalled.take(2)).map(summary)).toEqual(["ADDED a@2", "MODIFIED a@3"]);
    expect((await stalled.next()).type).toBe("BOOKMARK");
    change(api, 3);
    expect(summary(await fresh.next())).toMatch(/^MODIFIED a@/);
  });

  test("new ones can be stalled, too, beyond the end of their time", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    api.stallWatches({ andNew: true });
    const watch = await WatchClient.open(api, `${watchOrders}timeoutSeconds=1&`);
    const lists = await ask(api, slicesPath);
    expect(lists.status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // its time passes, which nothing tells
    expect(api.watches).toMatchObject([{ events: 0 }]);
    api.resumeWatches();
    expect((await watch.rest()).map(summary)).toEqual(["ADDED a@2"]);
  });

  test("one that has stalled for too long gets a 410", async () => {
    const api = await start();
    const watch = await WatchClient.open(api, `${watchOrders}resourceVersion=1&`);
    api.stallWatches();
    change(api, 1);
    api.compact();
    api.resumeWatches();
    expect((await watch.rest()).map(summary)).toEqual(["ERROR 410"]);
  });
});
