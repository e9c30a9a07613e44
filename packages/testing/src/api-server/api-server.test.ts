import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  ask,
  failureOf,
  type RequestOptions,
  send,
  servicesPath,
  slicesPath,
  start,
  WatchClient,
} from "../../test-helpers/api-client.ts";
import { startApiServer } from "./api-server.ts";
import type { ApiFault } from "./faults.ts";

const user = "system:serviceaccount:default:default";

const cannot = (verb: string, who = user): string =>
  `endpointslices.discovery.k8s.io is forbidden: User "${who}" cannot ${verb} resource "endpointslices" ` +
  `in API group "discovery.k8s.io" in the namespace "default"`;

describe("errors", () => {
  test.for<[path: string, options: RequestOptions, code: number, reason: string, message: string, details: unknown]>([
    [slicesPath, { token: "x" }, 401, "Unauthorized", "Unauthorized", undefined],
    [
      slicesPath,
      { token: null },
      403,
      "Forbidden",
      cannot("list", "system:anonymous"),
      { group: "discovery.k8s.io", kind: "endpointslices" },
    ],
    ["/nope", { token: null }, 403, "Forbidden", 'forbidden: User "system:anonymous" cannot get path "/nope"', {}],
    [
      slicesPath,
      { method: "POST" },
      403,
      "Forbidden",
      cannot("create"),
      { group: "discovery.k8s.io", kind: "endpointslices" },
    ],
    [
      `${servicesPath}/a`,
      { method: "DELETE" },
      403,
      "Forbidden",
      `services "a" is forbidden: User "${user}" cannot delete resource "services" in API group "" ` +
        'in the namespace "default"',
      { name: "a", kind: "services" },
    ],
    [
      slicesPath,
      { method: "OPTIONS" },
      405,
      "MethodNotAllowed",
      "the server does not allow this method on the requested resource",
      {},
    ],
    [`${servicesPath}/a`, {}, 404, "NotFound", 'services "a" not found', { name: "a", kind: "services" }],
    [
      `${slicesPath}/a`,
      {},
      404,
      "NotFound",
      'endpointslices.discovery.k8s.io "a" not found',
      { name: "a", group: "discovery.k8s.io", kind: "endpointslices" },
    ],
    ["/apis/discovery.k8s.io/v2/x", {}, 404, "NotFound", "the server could not find the requested resource", {}],
    ["/api/v1/namespaces/default/pods", {}, 404, "NotFound", "the server could not find the requested resource", {}],
    [`${slicesPath}/a/b`, {}, 404, "NotFound", "the server could not find the requested resource", {}],
    [`${slicesPath}/%`, {}, 404, "NotFound", "the server could not find the requested resource", {}],
  ])("%s %o", async ([path, options, code, reason, message, details]) => {
    const api = await start();
    const { status, json, headers, text } = await ask(api, path, options);
    const rest = details === undefined ? {} : { details };
    expect(json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...rest,
      code,
    });
    expect(status).toBe(code);
    expect(text.endsWith("}\n")).toBe(true);
    expect("x-kubernetes-pf-flowschema-uid" in headers).toBe(code !== 401);
    expect(api.requests).toMatchObject([{ method: options.method ?? "GET", path, status: code }]);
  });

  test("of unknown paths are words", async () => {
    const api = await start();
    for (const path of ["/nope", "/", "/apis/apps/v1/deployments"]) {
      expect(await ask(api, path)).toMatchObject({ status: 404, text: "404 page not found\n" });
    }
  });
});

describe("faults", () => {
  test("strike the requests that they name, as often as they say", async () => {
    const api = await start();
    const end = api.fail({ status: 503, resource: "services" });
    api.fail({ status: 500, verb: "list", times: 2 });
    api.fail({ status: 404, namespace: "shop", message: "gone fishing" });
    const status = async (path: string) => (await ask(api, path)).status;
    expect(await status(servicesPath)).toBe(503);
    expect(await status(`${servicesPath}/a`)).toBe(503);
    end();
    end();
    expect([await status(slicesPath), await status(servicesPath), await status(slicesPath)]).toEqual([500, 500, 200]);
    expect((await ask(api, slicesPath.replace("default", "shop"))).json).toMatchObject({
      message: "gone fishing",
      reason: "NotFound",
      code: 404,
    });
  });

  test("429 has the words and the header of flow control, or a status with a message", async () => {
    const api = await start();
    api.fail({ status: 429, times: 1 });
    const words = await ask(api, slicesPath);
    expect(words).toMatchObject({ status: 429, text: "Too many requests, please try again later.\n" });
    expect(words.headers["retry-after"]).toBe("1");
    api.fail({ status: 429, message: "storage is (re)initializing", retryAfterSeconds: 7 });
    const status = await ask(api, slicesPath);
    expect(status.headers["retry-after"]).toBe("7");
    expect(status.json).toMatchObject({ reason: "TooManyRequests", details: { retryAfterSeconds: 7 }, code: 429 });
  });

  test("410 of a watch is an event", async () => {
    const api = await start();
    api.fail({ status: 410 });
    const watch = await WatchClient.open(api, `${slicesPath}?resourceVersion=1&`);
    expect(await watch.rest()).toMatchObject([{ type: "ERROR", object: { reason: "Expired", code: 410 } }]);
    expect((await ask(api, slicesPath)).status).toBe(410);
  });

  test("can be resets, and silence", async () => {
    const api = await start();
    const end = api.fail({ status: "reset" });
    expect(await failureOf(send(api, slicesPath))).toBe("ECONNRESET");
    end();
    api.fail({ status: "silence" });
    const unanswered = send(api, slicesPath);
    await api.until(() => api.requests.length === 2);
    expect(api.requests.at(-1)).toMatchObject({ verb: "list", status: undefined });
    const failed = failureOf(unanswered);
    await api.close();
    expect(await failed).toBe("ECONNRESET");
  });

  test("permissions can be denied for verb, resource and namespace", async () => {
    const api = await start();
    const allow = api.deny({ verb: "watch", resource: "endpointslices" });
    expect((await ask(api, `${slicesPath}?watch=1`)).json).toMatchObject({
      message: cannot("watch"),
      details: { group: "discovery.k8s.io", kind: "endpointslices" },
      code: 403,
    });
    expect((await ask(api, slicesPath)).status).toBe(200);
    expect((await ask(api, `${servicesPath}?watch=0`)).status).toBe(200);
    allow();
    await WatchClient.open(api, `${slicesPath}?`);
    api.deny({ namespace: "default" });
    expect(api.watches).toHaveLength(1);
    expect((await ask(api, slicesPath)).status).toBe(403);
    expect((await ask(api, "/api/v1/services")).status).toBe(200);
  });

  test.for<[fault: object, error: RegExp]>([
    [{ status: 200 }, /^RangeError: status: expected an integer from 400 to 599/],
    [{ status: "away" }, /^RangeError: status:/],
    [{ status: 500, times: 0 }, /^RangeError: times:/],
    [{ status: 500, times: 1.5 }, /^RangeError: times:/],
    [{ status: 429, retryAfterSeconds: 0.5 }, /^RangeError: retryAfterSeconds:/],
    [{ status: 500, verb: "put" }, /^TypeError: verb: expected "get", "list" or "watch", got "put"/],
    [{ status: 500, resource: "pods" }, /^TypeError: resource:/],
    [{ status: 500, namespace: 1 }, /^TypeError: namespace:/],
  ])("refuse %o", async ([fault, error]) => {
    const api = await start();
    const thrown = (() => {
      try {
        return api.fail(fault as ApiFault);
      } catch (reason) {
        return String(reason);
      }
    })();
    expect(thrown).toMatch(error);
    expect((await ask(api, slicesPath)).status).toBe(200);
  });

  test("answers can be slow", async () => {
    const api = await start({ delayMs: 30 });
    const startedAt = performance.now();
    expect((await ask(api, slicesPath)).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(25);
    api.delayMs = 1_000_000;
    const late = send(api, slicesPath);
    await api.until(() => api.requests.length === 2);
    late.destroy();
    expect(() => {
      api.delayMs = -1;
    }).toThrow(RangeError);
  });
});

describe("outages", () => {
  test("a crash cuts connections, refuses new ones, and forgets the history", async () => {
    const api = await start();
    const sent = send(api, `${slicesPath}?watch=1`);
    const [response] = await once(sent, "response");
    const broken = failureOf(response);
    await api.stop();
    expect(await broken).toBe("ECONNRESET");
    expect(await failureOf(send(api, slicesPath))).toBe("ECONNREFUSED");
    await expect(api.stop()).rejects.toThrow(/away already: crash/);
    const before = api.resourceVersion;
    await api.start();
    const watch = await WatchClient.open(api, `${slicesPath}?resourceVersion=${before}&`);
    expect(await watch.rest()).toMatchObject([{ type: "ERROR", object: { code: 410 } }]);
    await expect(api.start()).rejects.toThrow(/is not away/);
    await api.stop();
    const known = api.resourceVersion;
    api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" });
    await api.start({ keepHistory: true });
    const resumed = await WatchClient.open(api, `${slicesPath}?resourceVersion=${known}&`);
    expect(await resumed.next()).toMatchObject({ type: "ADDED" });
  });

  test("a drain refuses connections, and ends watches in good order only when it is over", async () => {
    const api = await start();
    const watch = await WatchClient.open(api, `${slicesPath}?resourceVersion=1&`);
    await api.stop("drain");
    expect(await failureOf(send(api, slicesPath))).toBe("ECONNREFUSED");
    api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" });
    expect(await watch.next()).toMatchObject({ type: "ADDED" });
    await api.start();
    expect(await watch.rest()).toEqual([]);
    expect(watch.response.complete).toBe(true);
    expect((await ask(api, slicesPath)).status).toBe(200);
  });

  test("a black hole keeps connections, and answers nothing", async () => {
    const api = await start({ bookmarkMs: 5 });
    const sent = send(api, `${slicesPath}?watch=1&resourceVersion=1&allowWatchBookmarks=1`);
    const [response] = await once(sent, "response");
    const broken = failureOf(response);
    await api.stop("blackhole");
    const unanswered = send(api, slicesPath);
    const failed = failureOf(unanswered);
    api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" });
    const [socket] = await once(unanswered, "socket");
    let secured = false;
    socket.on("secureConnect", () => {
      secured = true;
    });
    await once(socket, "connect");
    expect(api.watches).toHaveLength(1);
    expect(api.requests).toHaveLength(1);
    await api.start();
    expect([await broken, await failed, secured]).toEqual(["ECONNRESET", "ECONNRESET", false]);
    const resumed = await WatchClient.open(api, `${slicesPath}?resourceVersion=1&`);
    expect(await resumed.next()).toMatchObject({ type: "ADDED" });
  });
});

test("a black hole answers nothing on connections that it had, either", async () => {
  const api = await start({ tls: false });
  const socket = connect(api.port, api.host);
  onTestFinished(() => void socket.destroy());
  socket.write("GET /nope HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  await api.stop("blackhole");
  let answered = false;
  socket.on("data", () => {
    answered = true;
  });
  const failed = once(socket, "error").catch((reason) => [reason]);
  socket.write("GET /nope HTTP/1.1\r\nhost: x\r\n\r\n");
  await api.until(() => api.requests.length === 2);
  await api.start();
  expect((await failed)[0].code).toBe("ECONNRESET");
  expect(answered).toBe(false);
  expect(api.requests.map(({ status }) => status)).toEqual([404, undefined]);
});

describe("PretendApiServer", () => {
  test("speaks HTTP without tokens where TLS is off", async () => {
    const api = await start({ tls: false });
    expect(api.url).toBe(`http://127.0.0.1:${api.port}`);
    expect(api.ca).toBeUndefined();
    expect((await ask(api, slicesPath, { token: null })).status).toBe(200);
    const sent = send(api, `${slicesPath}?watch=1`);
    const [response] = await once(sent, "response");
    const broken = failureOf(response);
    api.dropWatches("reset");
    expect(await broken).toBe("ECONNRESET");
  });

  test("goes away also while a connection that ends already is reset", async () => {
    const api = await start({ tls: false });
    const sent = send(api, `${slicesPath}?watch=1`);
    const [response] = await once(sent, "response");
    const broken = failureOf(response);
    api.dropWatches("cut");
    api.dropWatches("reset");
    await api.stop();
    expect(await broken).toBe("ECONNRESET");
  });

  test("listens where it is told to, or says what keeps it from that", async () => {
    const api = await start({ host: "127.0.0.1", port: undefined! });
    await expect(startApiServer({ port: api.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    taken.close();
    await once(taken, "close");
    expect((await start({ port })).port).toBe(port);
  });

  test("records requests", async () => {
    const api = await start();
    await ask(api, `${slicesPath}?limit=5&resourceVersion=0`);
    const watch = await WatchClient.open(api, `${slicesPath}?resourceVersion=1&`);
    watch.response.destroy();
    expect(api.requests).toEqual([
      {
        method: "GET",
        path: `${slicesPath}?limit=5&resourceVersion=0`,
        verb: "list",
        resource: "endpointslices",
        namespace: "default",
        resourceVersion: "0",
        limit: "5",
        continue: undefined,
        at: expect.any(Number),
        status: 200,
      },
      expect.objectContaining({ verb: "watch", resourceVersion: "1", status: 200 }),
    ]);
  });

  test("tells when what one waits for has come, or cannot come any more", async () => {
    const api = await start();
    await api.until(() => true);
    await expect(
      api.until(() => {
        throw new Error("no such thing");
      }),
    ).rejects.toThrow("no such thing");
    const watched = api.untilWatched(2);
    await Promise.all([WatchClient.open(api, `${slicesPath}?`), WatchClient.open(api, `${slicesPath}?`)]);
    await watched;
    const never = expect(api.until(() => false)).rejects.toThrow("the pretend API server is closed");
    await api.close();
    await never;
    await api.close();
    await expect(api.until(() => false)).rejects.toThrow(/is closed/);
    expect(() => api.setSlice({ metadata: { name: "a" }, addressType: "IPv4" })).toThrow(/is closed/);
    await expect(api.stop()).rejects.toThrow(/is closed/);
  });

  test("closes while it is away", async () => {
    for (const outage of ["crash", "drain", "blackhole"] as const) {
      await using api = await startApiServer();
      const watch = await WatchClient.open(api, `${slicesPath}?`);
      watch.response.on("error", () => {});
      await api.stop(outage);
    }
  });

  test.for<[options: object, error: RegExp]>([
    [{ host: "localhost" }, /^TypeError: host: expected an IP address, got "localhost"/],
    [{ port: 0 }, /^RangeError: port: expected an integer from 1 to 65535, got 0/],
    [{ tls: 1 }, /^TypeError: tls:/],
    [{ quiet: "no" }, /^TypeError: quiet:/],
    [{ namespace: "a.b" }, /^TypeError: namespace:/],
    [{ bookmarkMs: 0 }, /^RangeError: bookmarkMs:/],
    [{ delayMs: -1 }, /^RangeError: delayMs:/],
    [{ historyLimit: 0 }, /^RangeError: historyLimit:/],
  ])("refuses %o", async ([options, error]) => {
    expect(String(await startApiServer(options).catch((reason) => reason))).toMatch(error);
  });
});
