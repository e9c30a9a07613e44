import { getEventListeners } from "node:events";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ApiRequest, type HttpApi, startHttpApi } from "../../test-helpers/api-server.ts";
import { bookmark, namesOf, podEndpoint, slice } from "../../test-helpers/slices.ts";
import { ApiError } from "./api-error.ts";
import { apiServerAt } from "./api-server-at.ts";
import { MalformedError } from "./checks.ts";
import type { EndpointSlice } from "./endpoint-slice.ts";
import { createServiceApi, isExpired, type ServiceApi, type WatchEvent } from "./service-api.ts";

const never = new AbortController().signal;
const slicesPath = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const expired = { kind: "Status", message: "The provided continue parameter is too old", reason: "Expired", code: 410 };

async function start(onRequest: (request: ApiRequest) => void): Promise<{ api: HttpApi; service: ServiceApi }> {
  const api = await startHttpApi();
  api.onRequest = onRequest;
  const service = createServiceApi(apiServerAt(api.url), { service: "orders", namespace: "shop" }, () => 321.6);
  onTestFinished(() => service.close());
  return { api, service };
}

function page(version: string, slices: readonly EndpointSlice[], next?: string): object {
  return {
    kind: "EndpointSliceList",
    metadata: { resourceVersion: version, ...(next === undefined ? {} : { continue: next }) },
    items: slices,
  };
}

/** Watches from version 10 on, to the end; the server writes `lines`. */
async function watch(...lines: readonly unknown[]): Promise<{ batches: (readonly WatchEvent[])[]; error: unknown }> {
  const { service } = await start(({ response }) => {
    response.end(lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""));
  });
  const batches: (readonly WatchEvent[])[] = [];
  const listener = { opened() {}, events: (events: readonly WatchEvent[]) => void batches.push(events) };
  const error = await service.watch("10", listener, never).catch((thrown: unknown) => thrown);
  return { batches, error };
}

describe("a list of slices", () => {
  test("whose pages never end fails", async () => {
    const { api, service } = await start(({ json }) => json(page("41", [slice("a")], "again")));
    await expect(service.list(never)).rejects.toThrow("it goes on where it began");
    expect(api.requests).toHaveLength(2);
  });

  test("is asked for by the Service's label, page by page, and has the version of the first", async () => {
    const { api, service } = await start(({ query, json }) => {
      if (query["continue"] === undefined) json(page("41", [slice("a"), slice("b")], "to/ken=1"));
      else if (query["continue"] === "to/ken=1") json(page("43", [slice("c")], "2"));
      else json(page("44", [slice("d")], ""));
    });
    const { slices, version } = await service.list(never);
    expect(namesOf(slices)).toBe("a b c d");
    expect(version).toBe("41");
    const labelSelector = "kubernetes.io/service-name=orders";
    expect(api.requests.map(({ path }) => path)).toEqual([slicesPath, slicesPath, slicesPath]);
    expect(api.requests.map(({ query }) => query)).toEqual([
      { labelSelector, limit: "100" },
      { labelSelector, limit: "100", continue: "to/ken=1" },
      { labelSelector, limit: "100", continue: "2" },
    ]);
    expect(api.sockets).toBe(1);
  });

  test("may be empty", async () => {
    for (const endpoints of [[], null]) {
      const { service } = await start(({ json }) => json(page("41", [slice("a", { endpoints })])));
      expect((await service.list(never)).slices).toHaveLength(1);
    }
    const { service } = await start(({ json }) => json(page("41", [])));
    expect(await service.list(never)).toEqual({ slices: [], version: "41" });
  });

  test("whose pages expire is asked for whole", async () => {
    const { api, service } = await start(({ query, json }) => {
      if (query["limit"] === "0") json(page("99", [slice("a"), slice("b")]));
      else if (query["continue"] === undefined) json(page("41", [slice("a")], "old"));
      else json(expired, 410);
    });
    expect(await service.list(never)).toMatchObject({ version: "99", slices: { length: 2 } });
    expect(api.requests.map(({ query }) => query["limit"])).toEqual(["100", "100", "0"]);
  });

  test("that is refused whole, too, fails", async () => {
    const { api, service } = await start(({ json }) => json(expired, 410));
    await expect(service.list(never)).rejects.toSatisfy(isExpired);
    expect(api.requests).toHaveLength(2);
  });

  test("is not asked for again after any other refusal", async () => {
    const { api, service } = await start(({ json }) => json({ message: "forbidden" }, 403));
    await expect(service.list(never)).rejects.toMatchObject({ status: 403 });
    expect(api.requests).toHaveLength(1);
  });

  test("without an end ends with its signal", async () => {
    const controller = new AbortController();
    const { api, service } = await start(({ json }) => {
      json(page("41", [slice("a")], "again"));
      if (api.requests.length === 30) controller.abort();
    });
    await expect(service.list(controller.signal)).rejects.toThrow();
    expect(api.requests.length).toBeLessThanOrEqual(31);
  });

  test("of many pages leaves nothing at its signal", async () => {
    const { api, service } = await start(({ query, json }) => {
      const number = Number(query["continue"] ?? 0);
      json(page("41", [slice(`${number}`)], number < 39 ? `${number + 1}` : undefined));
    });
    const { signal } = new AbortController();
    expect((await service.list(signal)).slices).toHaveLength(40);
    expect(api.requests).toHaveLength(40);
    expect(getEventListeners(signal, "abort").length).toBeLessThan(2); // node's own of the last request goes late
  });

  test.each([
    null,
    [],
    "text",
    {},
    { items: [] },
    { items: [], metadata: {} },
    { items: [], metadata: { resourceVersion: 41 } },
    { items: null, metadata: { resourceVersion: "41" } },
    { items: {}, metadata: { resourceVersion: "41" } },
  ])("that is none is an error that shows it: %j", async (body) => {
    const { service } = await start(({ json }) => json(body));
    await expect(service.list(never)).rejects.toThrow(
      `the API server sent something that is no list of EndpointSlices: ${JSON.stringify(body)}`,
    );
  });

  test.each([
    null,
    7,
    {},
    { metadata: null },
    { metadata: { name: 7 } },
    { metadata: { name: "a" }, endpoints: {} },
    { metadata: { name: "a" }, endpoints: [null] },
    { metadata: { name: "a" }, endpoints: ["10.0.0.1"] },
    { metadata: { name: "a" }, ports: {} },
    { metadata: { name: "a" }, ports: [null] },
  ])("with something that is no slice is an error that shows it: %j", async (item) => {
    const { service } = await start(({ json }) => json({ ...page("41", []), items: [slice("a"), item] }));
    await expect(service.list(never)).rejects.toThrow(
      `the API server sent something that is no EndpointSlice: ${JSON.stringify(item)}`,
    );
  });
});

describe("a watch of slices", () => {
  test("is asked for from a version on, with bookmarks, for a time", async () => {
    const { api, service } = await start(({ response }) => response.end());
    const opened = vi.fn();
    await service.watch("41", { opened, events() {} }, never);
    expect(opened).toHaveBeenCalledTimes(1);
    expect(api.requests[0]).toMatchObject({
      path: slicesPath,
      query: {
        labelSelector: "kubernetes.io/service-name=orders",
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion: "41",
        timeoutSeconds: "322",
      },
    });
    expect(api.requests[0]?.query).not.toHaveProperty("limit");
  });

  test("tells of events as they arrive", async () => {
    const events = [
      { type: "ADDED", object: slice("a", { endpoints: [podEndpoint(1)] }) },
      { type: "MODIFIED", object: slice("a") },
      { type: "DELETED", object: slice("a") },
      bookmark("50"),
    ];
    expect(await watch(...events)).toEqual({ batches: [events], error: undefined });
  });

  test("tells of what came before an ERROR, and fails with that", async () => {
    const added = { type: "ADDED", object: slice("a") };
    const gone = { ...expired, message: "too old resource version: 283 (286)" };
    const { batches, error } = await watch(added, { type: "ERROR", object: gone }, added);
    expect(batches).toEqual([[added]]);
    expect(error).toMatchObject({
      name: "ApiError",
      status: 410,
      message: "too old resource version: 283 (286) (410)",
    });
    expect(isExpired(error)).toBe(true);
  });

  test.each([undefined, null, {}, "text"])("fails with an ERROR of nothing: %j", async (object) => {
    const { batches, error } = await watch({ type: "ERROR", object });
    expect(batches).toEqual([]);
    expect(error).toMatchObject({ name: "ApiError", status: 500 });
  });

  test.each([
    null,
    7,
    {},
    { type: "SOMETHING", object: {} },
    { type: "__proto__", object: { metadata: { name: "a" } } },
    { type: "BOOKMARK" },
    { type: "BOOKMARK", object: {} },
    { type: "BOOKMARK", object: { metadata: { resourceVersion: 7 } } },
  ])("fails with an event that is none, and shows it: %j", async (event) => {
    const { error } = await watch(event);
    expect(error).toEqual(
      new MalformedError(`the API server sent something that is no event of a watch: ${JSON.stringify(event)}`),
    );
  });

  test("fails with an event of something that is no slice", async () => {
    for (const type of ["ADDED", "MODIFIED", "DELETED"]) {
      for (const object of [undefined, {}, { metadata: {} }]) {
        const { error } = await watch({ type, object });
        expect(error).toMatchObject({ message: expect.stringContaining("something that is no EndpointSlice") });
      }
    }
  });

  test("tells of what came before an event that is none", async () => {
    const before = { type: "ADDED", object: slice("a") };
    const { batches, error } = await watch(before, { type: "NEWTYPE" });
    expect(batches.flat()).toEqual([before]);
    expect(error).toBeInstanceOf(MalformedError);
  });

  test("shows no more than the beginning of what it cannot read", async () => {
    const { error } = await watch({ type: "x".repeat(10_000) });
    expect((error as Error).message.length).toBeLessThan(300);
  });
});

describe("a Service", () => {
  test("is read by its name", async () => {
    const { api, service } = await start(({ json }) => json({ kind: "Service", spec: { ports: [{ port: 80 }] } }));
    expect(await service.service(never)).toMatchObject({ spec: { ports: [{ port: 80 }] } });
    expect(api.requests[0]?.path).toBe("/api/v1/namespaces/shop/services/orders");
  });

  test("that does not exist is an ApiError", async () => {
    const { service } = await start(({ json }) => json({ message: 'services "orders" not found' }, 404));
    await expect(service.service(never)).rejects.toEqual(new ApiError(404, 'services "orders" not found (404)'));
  });

  test.each([null, [], 7, {}, { spec: null }, { spec: {} }, { spec: { ports: null } }])(
    "may say nothing of ports: %j",
    async (body) => {
      const { service } = await start(({ json }) => json(body));
      expect((await service.service(never)).spec?.ports ?? []).toEqual([]);
    },
  );

  test.each([{ spec: { ports: {} } }, { spec: { ports: [null] } }, { spec: { ports: [80] } }])(
    "may not say nonsense of ports: %j",
    async (body) => {
      const { service } = await start(({ json }) => json(body));
      await expect(service.service(never)).rejects.toThrow(
        `the API server sent something that is no Service: ${JSON.stringify(body)}`,
      );
    },
  );
});
