import { describe, expect, test } from "vitest";
import { keysOf, pod } from "../../test-helpers/endpoints.ts";
import { createEndpoint, describeEndpoint, formatAddress, usableEndpoints } from "./endpoint.ts";

describe("createEndpoint", () => {
  test("is ready, serving, of weight 1, and known by its address, unless something else is said", () => {
    expect(createEndpoint({ host: "10.0.0.1", port: 80 })).toEqual({
      key: "10.0.0.1:80",
      addresses: [{ host: "10.0.0.1", port: 80 }],
      ready: true,
      serving: true,
      terminating: false,
      weight: 1,
      attributes: {},
    });
    expect(createEndpoint({ host: "::1", port: 80, key: "uid", weight: 2, ready: false })).toMatchObject({
      key: "uid",
      addresses: [{ host: "::1", port: 80 }],
      weight: 2,
      ready: false,
    });
  });
});

describe("the names of endpoints", () => {
  test("have IPv6 addresses in brackets", () => {
    expect(formatAddress({ host: "2001:db8::7", port: 80 })).toBe("[2001:db8::7]:80");
    expect(formatAddress({ host: "10.0.0.1", port: 80 })).toBe("10.0.0.1:80");
  });

  test("begin with the pod's name where it is known", () => {
    expect(describeEndpoint(createEndpoint({ host: "10.0.0.1", port: 80 }))).toBe("10.0.0.1:80");
    expect(describeEndpoint(pod(1))).toBe("pod-1 (10.0.0.1:8080)");
  });
});

describe("usableEndpoints", () => {
  const ready = pod(1);
  const notReady = pod(2, { ready: false, serving: false });
  const leaving = pod(3, { ready: false, serving: true, terminating: true });
  const gone = pod(4, { ready: false, serving: false, terminating: true });
  // a Service that publishes addresses that are not ready says ready of everything
  const readyAndLeaving = pod(5, { ready: true, serving: true, terminating: true });

  test("are the ready ones", () => {
    expect(keysOf(usableEndpoints([notReady, ready, leaving, gone]))).toEqual(["pod-1"]);
  });

  test("are not those that terminate, while another is ready, even if they say ready", () => {
    expect(keysOf(usableEndpoints([readyAndLeaving, ready]))).toEqual(["pod-1"]);
  });

  test("are those that terminate but still serve, when nothing better is left", () => {
    expect(keysOf(usableEndpoints([notReady, leaving, gone, readyAndLeaving]))).toEqual(["pod-3", "pod-5"]);
  });

  test("are never those that neither are ready nor terminate", () => {
    expect(usableEndpoints([notReady, gone, pod(6, { ready: false })])).toEqual([]);
    expect(usableEndpoints([])).toEqual([]);
  });
});
