import { describe, expect, test } from "vitest";
import { grpcPort, httpPort, slice } from "../../test-helpers/slices.ts";
import type { SlicePort } from "../api/endpoint-slice.ts";
import type { ServiceAnswer } from "../watch/service-watch.ts";
import { choosePort, portNumber, type WantedPort } from "./port.ts";

const named = (name: string): WantedPort => ({ kind: "name", name });
const numbered = (number: number): WantedPort => ({ kind: "number", number });
const unnamed: WantedPort = { kind: "default", number: 80 };

const found = (...ports: { name?: string; port: number; protocol?: string }[]): ServiceAnswer => ({
  kind: "found",
  service: { spec: { ports } },
});
const forbidden: ServiceAnswer = { kind: "unknown", error: new Error('cannot get resource "services" (403)') };
const missing: ServiceAnswer = { kind: "missing" };

const withPorts = (...ports: SlicePort[]) => [slice("a", { ports })];
const both = withPorts(httpPort, grpcPort);

describe("a port by its name", () => {
  test("is the slices' port of this name", () => {
    expect(choosePort(named("grpc"), both, undefined)).toEqual(named("grpc"));
  });

  test("may be in some slices only", () => {
    const slices = [slice("a", { ports: [httpPort] }), slice("b", { ports: [grpcPort] })];
    expect(choosePort(named("grpc"), slices, undefined)).toEqual(named("grpc"));
  });

  test("is unknown where no slice has it, and the error lists what there is", () => {
    expect(choosePort(named("grcp"), [...both, ...both], undefined)).toEqual({
      kind: "unknown",
      reason: 'there is no port named "grcp"; its EndpointSlices have http (8080), grpc (9090)',
    });
    expect(choosePort(named("grpc"), withPorts({ port: 8080 }), undefined)).toMatchObject({
      reason: 'there is no port named "grpc"; its EndpointSlices have 8080',
    });
    expect(choosePort(named("grpc"), withPorts(), undefined)).toMatchObject({
      reason: 'there is no port named "grpc"; its EndpointSlices have no TCP ports',
    });
  });

  test("of UDP alone is unknown", () => {
    expect(choosePort(named("dns"), withPorts({ name: "dns", port: 53, protocol: "UDP" }), undefined).kind).toBe(
      "unknown",
    );
  });

  test("that objects of their own have is unknown, too", () => {
    for (const name of ["__proto__", "constructor"]) {
      expect(choosePort(named(name), both, undefined).kind).toBe("unknown");
    }
  });
});

describe("a port by its number", () => {
  test("is the slices' port of this number, by its name, without asking for the Service", () => {
    expect(choosePort(numbered(9090), both, undefined)).toEqual(named("grpc"));
    expect(choosePort(numbered(8080), withPorts({ name: null, port: 8080 }), undefined)).toEqual(named(""));
  });

  test("is looked for among the Service's ports, which are joined by name", () => {
    expect(choosePort(numbered(80), both, undefined)).toEqual({ kind: "askService" });
    expect(choosePort(numbered(80), withPorts(httpPort), undefined)).toEqual({ kind: "askService" });
    const service = found({ name: "http", port: 80 }, { name: "grpc", port: 81, protocol: "TCP" });
    expect(choosePort(numbered(80), both, service)).toEqual(named("http"));
    expect(choosePort(numbered(81), both, service)).toEqual(named("grpc"));
    expect(choosePort(numbered(80), withPorts({ port: 8080 }), found({ port: 80 }))).toEqual(named(""));
  });

  test("is unknown where neither has it", () => {
    expect(choosePort(numbered(82), both, found({ name: "http", port: 80 }))).toEqual({
      kind: "unknown",
      reason: "there is no port 82; its EndpointSlices have http (8080), grpc (9090)",
    });
    // one port is no excuse where the Service says that it is another
    expect(choosePort(numbered(82), withPorts(httpPort), found({ name: "http", port: 80 })).kind).toBe("unknown");
    expect(choosePort(numbered(82), withPorts(httpPort), { kind: "found", service: {} }).kind).toBe("unknown");
  });

  test("is unknown where the Service has it under a name that no slice has", () => {
    expect(choosePort(numbered(81), withPorts(httpPort), found({ name: "grpc", port: 81 })).kind).toBe("unknown");
  });

  test("is the only one there is where the Service cannot be read", () => {
    expect(choosePort(numbered(80), withPorts(httpPort), forbidden)).toEqual(named("http"));
    expect(choosePort(numbered(80), withPorts(httpPort), missing)).toEqual(named("http"));
  });

  test("is unknown where the Service cannot be read and has several, and the error says why", () => {
    expect(choosePort(numbered(80), both, forbidden)).toEqual({
      kind: "unknown",
      reason:
        "there is no port 80; its EndpointSlices have http (8080), grpc (9090); " +
        'its Service ports are not known: cannot get resource "services" (403)',
    });
    expect(choosePort(numbered(80), both, missing).kind).toBe("unknown");
  });

  test("is not that of a UDP port", () => {
    const dns: SlicePort[] = [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
    ];
    expect(choosePort(numbered(53), withPorts(...dns), undefined)).toEqual(named("dns-tcp"));
    const service = found({ name: "dns", port: 54, protocol: "UDP" }, { name: "dns-tcp", port: 54 });
    expect(choosePort(numbered(54), withPorts(...dns), service)).toEqual(named("dns-tcp"));
  });

  test("is dialled as it is where the endpoints take every port, or do not say which", () => {
    for (const ports of [[], null, undefined, [{ name: "all", port: null }], [{}]]) {
      const slices = [slice("a", { ports } as object)];
      expect(choosePort(numbered(80), slices, undefined)).toEqual({ kind: "number", number: 80 });
      expect(choosePort(unnamed, slices, undefined)).toEqual({ kind: "number", number: 80 });
    }
  });

  test("of endpoints that have UDP ports only is unknown", () => {
    const slices = withPorts({ name: "dns", port: 53, protocol: "UDP" });
    for (const wanted of [numbered(53), unnamed]) {
      expect(choosePort(wanted, slices, undefined)).toEqual({
        kind: "unknown",
        reason: `there is no port ${wanted.kind === "number" ? 53 : 80}; its EndpointSlices have no TCP ports`,
      });
    }
  });
});

describe("no port at all", () => {
  test("is the only one there is", () => {
    expect(choosePort(unnamed, withPorts(httpPort), undefined)).toEqual(named("http"));
    expect(choosePort(unnamed, [slice("a"), slice("b", { ports: [{ ...httpPort, port: 8081 }] })], undefined)).toEqual(
      named("http"),
    );
  });

  test("is the scheme's where there are several: in the slices, else in the Service", () => {
    expect(choosePort(unnamed, withPorts({ ...httpPort, port: 80 }, grpcPort), undefined)).toEqual(named("http"));
    expect(choosePort(unnamed, both, undefined)).toEqual({ kind: "askService" });
    expect(choosePort(unnamed, both, found({ name: "grpc", port: 80 }))).toEqual(named("grpc"));
    expect(choosePort(unnamed, both, forbidden).kind).toBe("unknown");
  });
});

describe("the number of a port", () => {
  test("is that of the slice, which may differ from the others'", () => {
    expect(portNumber({ kind: "name", name: "http" }, slice("a", { ports: [{ ...httpPort, port: 8081 }] }))).toBe(8081);
    expect(portNumber({ kind: "name", name: "" }, slice("a", { ports: [{ port: 8081 }] }))).toBe(8081);
  });

  test("is none where the slice has not the port", () => {
    for (const ports of [[grpcPort], [], null, [{ ...httpPort, protocol: "UDP" as const }], [{ name: "http" }]]) {
      expect(portNumber({ kind: "name", name: "http" }, slice("a", { ports }))).toBeUndefined();
    }
  });

  test("is the one that is wanted where the endpoints take every one", () => {
    expect(portNumber({ kind: "number", number: 80 }, slice("a", { ports: null }))).toBe(80);
  });
});
