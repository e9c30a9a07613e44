import type { EndpointSlice } from "@evenkeel/kubernetes";
import { describe, expect, test } from "vitest";
import {
  ask,
  type Json,
  namesOf,
  ofOrders,
  servicesPath,
  slicesPath,
  start,
  versionOf,
} from "../../test-helpers/api-client.ts";
import type { PretendApiServer } from "./api-server.ts";

const slice = (name: string, service = "orders", namespace = "default"): EndpointSlice => ({
  metadata: { name, namespace, labels: { "kubernetes.io/service-name": service } },
  addressType: "IPv4",
  endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true } }],
  ports: [{ name: "http", port: 8080 }],
});

function fill(api: PretendApiServer, names: readonly string[], service?: string): void {
  for (const name of names) api.setSlice(slice(name, service));
}

const metadataOf = ({ json }: { readonly json: Json }): Json => json["metadata"]!;

describe("lists", () => {
  test("have the form of the real server's", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    const { status, headers, text, json } = await ask(api, slicesPath);
    expect(status).toBe(200);
    expect(headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-cache, private" });
    expect(headers["audit-id"]).toMatch(/^[-0-9a-f]{36}$/);
    expect(headers["x-kubernetes-pf-flowschema-uid"]).toMatch(/^[-0-9a-f]{36}$/);
    expect(text).toMatch(
      /^{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io\/v1","metadata":{"resourceVersion":"2"},"items":\[/,
    );
    expect(text.endsWith("]}\n")).toBe(true);
    const { metadata, ...rest } = (json["items"] as unknown as Json[])[0]!;
    expect(rest).toEqual({
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true } }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    });
    expect(metadata).toEqual({
      name: "a",
      namespace: "default",
      uid: expect.stringMatching(/^[-0-9a-f]{36}$/),
      resourceVersion: "2",
      generation: 1,
      creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      labels: { "kubernetes.io/service-name": "orders" },
    });
  });

  test("are by name, of one namespace or all, and of what is selected", async () => {
    const api = await start();
    fill(api, ["b", "a"]);
    fill(api, ["c"], "billing");
    api.setSlice(slice("d", "orders", "shop"));
    const names = async (path: string) => namesOf((await ask(api, path)).json);
    expect(await names(slicesPath)).toEqual(["a", "b", "c"]);
    expect(await names(`${slicesPath}?${ofOrders}`)).toEqual(["a", "b"]);
    expect(await names(`${slicesPath}?labelSelector=kubernetes.io/service-name%20in%20(billing,x)`)).toEqual(["c"]);
    expect(await names(`${slicesPath}?labelSelector=kubernetes.io/service-name!%3Dorders`)).toEqual(["c"]);
    expect(await names(`${slicesPath}?fieldSelector=metadata.name%3Db`)).toEqual(["b"]);
    expect(await names("/apis/discovery.k8s.io/v1/endpointslices")).toEqual(["a", "b", "c", "d"]);
    expect(await names(slicesPath.replace("default", "nowhere"))).toEqual([]);
  });

  test("come in pages of one revision, whatever changes meanwhile", async () => {
    const api = await start();
    fill(api, ["a", "b", "c", "d", "e"]);
    const first = await ask(api, `${slicesPath}?limit=2`);
    expect(namesOf(first.json)).toEqual(["a", "b"]);
    expect(metadataOf(first)).toMatchObject({ resourceVersion: "6", remainingItemCount: 3 });
    const token = String(metadataOf(first)["continue"]);
    expect(JSON.parse(Buffer.from(token, "base64url").toString())).toEqual({
      v: "meta.k8s.io/v1",
      rv: 6,
      start: "/b\0",
    });
    api.deleteSlice("c");
    fill(api, ["bb", "f"]);
    for (const ports of [[], [{ port: 1 }]]) api.setSlice({ ...slice("d"), ports });
    const second = await ask(api, `${slicesPath}?limit=2&continue=${token}`);
    expect(namesOf(second.json)).toEqual(["c", "d"]);
    expect((second.json["items"] as unknown as Json[])[1]!["ports"]).toMatchObject([{ port: 8080 }]);
    const third = await ask(api, `${slicesPath}?limit=2&continue=${metadataOf(second)["continue"]}`);
    expect(namesOf(third.json)).toEqual(["e"]);
    expect(metadataOf(third)).toEqual({ resourceVersion: "6" });
    expect(namesOf((await ask(api, slicesPath)).json)).toEqual(["a", "b", "bb", "d", "e", "f"]);
  });

  test("of a selection do not tell what remains, and have no pages at version 0", async () => {
    const api = await start();
    fill(api, ["a", "b", "c"]);
    expect(Object.keys(metadataOf(await ask(api, `${slicesPath}?limit=2&${ofOrders}`)))).toEqual([
      "resourceVersion",
      "continue",
    ]);
    expect(namesOf((await ask(api, `${slicesPath}?limit=2&resourceVersion=0`)).json)).toHaveLength(3);
    expect(metadataOf(await ask(api, `${slicesPath}?limit=3`))).toEqual({ resourceVersion: "4" });
  });

  test("go on after compaction only with the token of the 410", async () => {
    const api = await start();
    fill(api, ["a", "b", "c"]);
    const first = await ask(api, `${slicesPath}?limit=1`);
    api.setSlice(slice("bb"));
    api.compact();
    const gone = await ask(api, `${slicesPath}?limit=1&continue=${metadataOf(first)["continue"]}`);
    expect(gone.status).toBe(410);
    expect(gone.json).toMatchObject({ kind: "Status", reason: "Expired", code: 410 });
    expect(gone.json["message"]).toMatch(/^The provided continue parameter is too old to display a consistent list/);
    const token = String(metadataOf(gone)["continue"]);
    expect(Buffer.from(token, "base64url").toString()).toBe('{"v":"meta.k8s.io/v1","rv":-1,"start":"a\\u0000"}');
    const rest = await ask(api, `${slicesPath}?continue=${token}`);
    expect(namesOf(rest.json)).toEqual(["b", "bb", "c"]);
    expect(versionOf(rest.json)).toBe(api.resourceVersion);
  });

  test("can be of an exact version, until it is forgotten", async () => {
    const api = await start();
    fill(api, ["a", "b"]);
    const exact = `${slicesPath}?resourceVersionMatch=Exact&resourceVersion=2`;
    expect(await ask(api, exact)).toMatchObject({ status: 200, json: { metadata: { resourceVersion: "2" } } });
    expect(namesOf((await ask(api, exact)).json)).toEqual(["a"]);
    expect(namesOf((await ask(api, `${slicesPath}?limit=5&resourceVersion=2`)).json)).toEqual(["a"]);
    expect(namesOf((await ask(api, `${slicesPath}?resourceVersion=2`)).json)).toEqual(["a", "b"]);
    api.compact();
    const gone = await ask(api, exact);
    expect(gone).toMatchObject({ status: 410, json: { reason: "Expired" } });
    expect(gone.json["message"]).toBe("The resourceVersion for the provided list is too old.");
  });

  test("wait for a version that is to come, for three seconds", { timeout: 10_000 }, async () => {
    const api = await start();
    const early = ask(api, `${slicesPath}?resourceVersion=2`);
    const never = ask(api, `${slicesPath}?resourceVersion=99`);
    await api.until(() => api.requests.length === 2);
    api.setSlice(slice("a"));
    expect(namesOf((await early).json)).toEqual(["a"]);
    const { status, headers, json } = await never;
    expect(status).toBe(504);
    expect(headers["retry-after"]).toBe("1");
    expect(json).toMatchObject({
      message: "Timeout: Too large resource version: 99, current: 2",
      reason: "Timeout",
      details: {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      },
    });
  });

  test("of thousands of endpoints are quick", async () => {
    const api = await start();
    for (let number = 0; number < 50; number++) {
      const endpoints = Array.from({ length: 100 }, (_, index) => ({
        addresses: [`10.0.${number}.${index}`],
        conditions: { ready: true, serving: true, terminating: false },
        targetRef: { kind: "Pod", namespace: "default", name: `pod-${number}-${index}`, uid: crypto.randomUUID() },
        nodeName: "node-1",
        zone: "a",
      }));
      api.setSlice({ ...slice(`orders-${number}`), endpoints });
    }
    const startedAt = performance.now();
    const { json } = await ask(api, `${slicesPath}?${ofOrders}`);
    expect(json["items"]).toHaveLength(50);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe("queries", () => {
  test.for([
    ["limit=x", 400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax'],
    ["watch=1&timeoutSeconds=x", 400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax'],
    [
      "resourceVersion=abc",
      400,
      "BadRequest",
      'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    [
      "watch=1&resourceVersion=abc",
      500,
      undefined,
      'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    ["labelSelector=!!", 400, "BadRequest", "unable to parse requirement: found '!', expected: identifier"],
    ["labelSelector=a=b=c", 400, "BadRequest", "found '=', expected: ',' or 'end of string'"],
    [
      "fieldSelector=spec.x%3D1",
      400,
      "BadRequest",
      '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    [
      "resourceVersionMatch=Exact",
      422,
      "Invalid",
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: ' +
        "resourceVersionMatch is forbidden unless resourceVersion is provided",
    ],
    [
      "watch=1&sendInitialEvents=true",
      422,
      "Invalid",
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: ' +
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    ],
  ] as const)("%s is refused", async ([query, code, reason, message]) => {
    const api = await start();
    const { status, json } = await ask(api, `${slicesPath}?${query}`);
    expect(status).toBe(code);
    expect(json).toMatchObject({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", code, message });
    expect(json["reason"]).toBe(reason);
  });

  test("tokens that are none are refused", async () => {
    const api = await start();
    const message = async (query: string) => (await ask(api, `${slicesPath}?${query}`)).json["message"];
    expect(await message("continue=xxx")).toMatch(/^invalid continue token: continue key is not valid: /);
    const token = Buffer.from('{"v":"meta.k8s.io/v1","rv":1,"start":"/a"}').toString("base64url");
    expect(await message(`continue=${token}`)).toBeUndefined();
    expect(await message(`continue=${token}&resourceVersion=1`)).toBe(
      "specifying resource version is not allowed when using continue",
    );
  });
});

describe("single objects", () => {
  test("stand alone with kind and version", async () => {
    const api = await start();
    api.setSlice(slice("a"));
    api.setService({ metadata: { name: "orders" }, spec: { clusterIP: "None", ports: [{ port: 80 }] } });
    expect((await ask(api, `${slicesPath}/a`)).json).toMatchObject({
      kind: "EndpointSlice",
      apiVersion: "discovery.k8s.io/v1",
      metadata: { name: "a" },
    });
    expect((await ask(api, `${servicesPath}/orders`)).json).toMatchObject({
      kind: "Service",
      apiVersion: "v1",
      spec: { type: "ClusterIP", clusterIP: "None", ports: [{ port: 80, protocol: "TCP" }] },
      status: { loadBalancer: {} },
    });
    expect((await ask(api, servicesPath)).json).toMatchObject({ kind: "ServiceList", apiVersion: "v1" });
    expect(api.deleteService("orders")).toBe(true);
    expect(api.deleteService("orders")).toBe(false);
    expect(await ask(api, `${servicesPath}/orders`)).toMatchObject({
      status: 404,
      json: {
        message: 'services "orders" not found',
        reason: "NotFound",
        details: { name: "orders", kind: "services" },
      },
    });
  });

  test("keep who they are, and count what changes of them", async () => {
    const api = await start();
    const get = async () => (await ask(api, `${slicesPath}/a`)).json["metadata"]!;
    const version = api.setSlice(slice("a"));
    const before = await get();
    expect(api.setSlice(slice("a"))).toBe(version);
    expect(await get()).toEqual(before);
    api.setSlice({ ...slice("a"), endpoints: [] });
    expect(await get()).toMatchObject({ uid: before["uid"], generation: 2, resourceVersion: "3" });
    api.deleteSlice("a");
    api.setSlice(slice("a"));
    expect(await get()).toMatchObject({ generation: 1, resourceVersion: "5" });
    expect((await get())["uid"]).not.toBe(before["uid"]);
    expect(api.slices).toMatchObject([{ metadata: { name: "a" }, addressType: "IPv4" }]);
    const [read] = api.slices;
    const whole = { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", ...read! };
    expect(api.setSlice(whole)).toBe("5");
    expect(api.setSlice({ ...whole, endpoints: [] })).toBe("6");
    expect(await get()).toMatchObject({ uid: read!.metadata.uid, generation: 2, resourceVersion: "6" });
    api.setSlice({ ...whole, metadata: { ...read!.metadata, uid: "another" } });
    expect(await get()).toMatchObject({ uid: "another", generation: 1, resourceVersion: "8" });
    expect((await ask(api, slicesPath)).text.match(/"kind"/g)).toHaveLength(1);
  });

  test.for<[wrong: object, error: RegExp]>([
    [{ metadata: { name: "A" } }, /^TypeError: metadata.name: expected a DNS subdomain, got "A"/],
    [{ metadata: undefined }, /^TypeError: metadata.name:/],
    [{ metadata: { name: "a", namespace: "a.b" } }, /^TypeError: metadata.namespace:/],
    [{ metadata: { name: "a", labels: { x: 1 } } }, /^TypeError: metadata.labels:/],
    [{ addressType: "IP" }, /^TypeError: addressType:/],
    [{ endpoints: {} }, /^TypeError: endpoints: expected an array/],
    [{ endpoints: [{ addresses: [] }] }, /^TypeError: endpoints: expected addresses/],
    [{ endpoints: Array(1_001).fill({ addresses: ["1.2.3.4"] }) }, /^RangeError: endpoints: expected at most 1000/],
  ])("refuse %o", async ([wrong, error]) => {
    const api = await start();
    const set = () => {
      try {
        return api.setSlice({ ...slice("a"), ...wrong } as EndpointSlice);
      } catch (reason) {
        return String(reason);
      }
    };
    expect(set()).toMatch(error);
    expect(api.slices).toEqual([]);
  });
});
