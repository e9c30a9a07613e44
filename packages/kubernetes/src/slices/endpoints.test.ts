import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { shuffled } from "../../../core/test-helpers/endpoints.ts";
import { httpPort, podEndpoint, slice } from "../../test-helpers/slices.ts";
import type { EndpointConditions, SliceEndpoint } from "../api/endpoint-slice.ts";
import { EndpointView } from "./endpoints.ts";
import type { ChosenPort } from "./port.ts";

const http: ChosenPort = { kind: "name", name: "http" };

/** The endpoints of one slice with these, by a client without a zone. */
function endpointsOf(...endpoints: readonly SliceEndpoint[]) {
  return new EndpointView(undefined).endpoints([slice("a", { endpoints })], http);
}

function v6(number: number): SliceEndpoint {
  return podEndpoint(number, { addresses: [`fd00::${number}`] });
}

describe("the endpoints of slices", () => {
  test("have their pod's UID and port for a key, and all that slices know", () => {
    expect(endpointsOf(podEndpoint(7, { zone: "eu-1" }))).toEqual([
      {
        key: "uid-7:8080",
        addresses: [{ host: "10.0.0.7", port: 8080 }],
        ready: true,
        serving: true,
        terminating: false,
        weight: 1,
        zone: "eu-1",
        podName: "pod-7",
        nodeName: "node-7",
        attributes: {},
      },
    ]);
  });

  test.each<[EndpointConditions | null | undefined, boolean, boolean, boolean]>([
    [undefined, true, true, false],
    [null, true, true, false],
    [{}, true, true, false],
    [{ ready: null, serving: null, terminating: null }, true, true, false],
    [{ ready: true }, true, true, false],
    [{ ready: false }, false, false, false],
    [{ ready: false, serving: true, terminating: true }, false, true, true],
    [{ ready: false, serving: false, terminating: true }, false, false, true],
    [{ serving: false }, true, false, false],
    [{ ready: true, serving: true, terminating: true }, true, true, true],
  ])("have conditions as Kubernetes reads them: %j", (conditions, ready, serving, terminating) => {
    const endpoint = { addresses: ["10.0.0.1"], ...(conditions === undefined ? {} : { conditions }) };
    expect(endpointsOf(endpoint)[0]).toMatchObject({ ready, serving, terminating });
  });

  test("have their address for a key where they are no pods, and nothing that is not said", () => {
    const [endpoint] = endpointsOf({ addresses: ["192.0.2.1"], nodeName: null, zone: null, hints: null });
    expect(endpoint).toMatchObject({ key: "192.0.2.1:8080", attributes: {} });
    for (const name of ["podName", "nodeName", "zone"]) expect(endpoint).not.toHaveProperty(name);
    const [node] = endpointsOf({ addresses: ["192.0.2.1"], targetRef: { kind: "Node", name: "node-1", uid: "u" } });
    expect(node).toMatchObject({ key: "u:8080" });
    expect(node).not.toHaveProperty("podName");
    const [nameless] = endpointsOf({ addresses: ["192.0.2.1"], targetRef: { kind: "Pod", name: "pod-1" } });
    expect(nameless).toMatchObject({ key: "192.0.2.1:8080", podName: "pod-1" });
  });

  test("have their first address, as for kube-proxy; those without one are left out", () => {
    const none = { addresses: undefined } as unknown as SliceEndpoint;
    const endpoints = endpointsOf(none, { addresses: [] }, { addresses: ["10.0.0.1", "10.0.0.2"] });
    expect(endpoints.map(({ addresses }) => addresses)).toEqual([[{ host: "10.0.0.1", port: 8080 }]]);
  });

  test("may be host names", () => {
    const view = new EndpointView(undefined);
    const fqdn = slice("a", { addressType: "FQDN", endpoints: [{ addresses: ["db.example.com"] }] });
    expect(view.endpoints([fqdn], http)[0]).toMatchObject({ key: "db.example.com:8080" });
  });

  test("have the hints, and the zone of this client, for attributes", () => {
    const hints = { forZones: [{ name: "eu-1" }, { name: "eu-2" }], forNodes: [{ name: "node-1" }] };
    const slices = [
      slice("a", { endpoints: [podEndpoint(1, { hints }), podEndpoint(2, { hints: { forZones: null } })] }),
    ];
    const attributes = (zone: string | undefined): unknown[] =>
      new EndpointView(zone).endpoints(slices, http).map((endpoint) => endpoint.attributes);
    expect(attributes("eu-2")).toEqual([
      { clientZone: "eu-2", forZones: ["eu-1", "eu-2"], forNodes: ["node-1"] },
      { clientZone: "eu-2" },
    ]);
    expect(attributes(undefined)).toEqual([{ forZones: ["eu-1", "eu-2"], forNodes: ["node-1"] }, {}]);
  });

  test("have the port's number of their slice; slices without the port have none", () => {
    const slices = [
      slice("old", { endpoints: [podEndpoint(1)] }),
      slice("new", { endpoints: [podEndpoint(2)], ports: [{ ...httpPort, port: 8081 }] }),
      slice("without", { endpoints: [podEndpoint(3)], ports: [] }),
    ];
    const keys = (chosen: ChosenPort): string[] =>
      new EndpointView(undefined).endpoints(slices, chosen).map(({ key }) => key);
    expect(keys(http).sort()).toEqual(["uid-1:8080", "uid-2:8081"]);
    expect(keys({ kind: "number", number: 70 }).sort()).toEqual(["uid-1:70", "uid-2:70", "uid-3:70"]);
  });

  test("have names that objects of their own have", () => {
    const targetRef = { kind: "Pod", name: "__proto__", uid: "__proto__" };
    const [endpoint] = endpointsOf(podEndpoint(1, { targetRef, zone: "constructor", nodeName: "__proto__" }));
    expect(endpoint).toMatchObject({ key: "__proto__:8080", podName: "__proto__", nodeName: "__proto__" });
    expect({}).not.toHaveProperty("podName");
  });
});

describe("an endpoint in several slices", () => {
  test("is one, with the conditions of the newer slice, in any order, at versions of any length", () => {
    for (const [older, newer] of [
      ["9", "10"],
      ["10", "11"],
      ["9007199254740993", "9007199254740994"],
      ["99999999999999999999", "100000000000000000000"],
      [undefined, "1"],
    ] as const) {
      const before = slice("b", { endpoints: [podEndpoint(1), podEndpoint(2)], ...(older && { version: older }) });
      const leaving = podEndpoint(1, { conditions: { ready: false, serving: true, terminating: true } });
      const after = slice("a", { endpoints: [leaving], version: newer });
      const unversioned = { ...before, metadata: { name: "b" } };
      const old = older === undefined ? unversioned : before;
      for (const slices of [
        [old, after],
        [after, old],
      ]) {
        const endpoints = new EndpointView(undefined).endpoints(slices, http);
        expect(endpoints).toHaveLength(2);
        expect(endpoints.find(({ key }) => key === "uid-1:8080")).toMatchObject({ ready: false, terminating: true });
      }
    }
  });

  test("is one in each, where slices of one age, or one slice, name it twice", () => {
    expect(endpointsOf(podEndpoint(1), podEndpoint(1))).toHaveLength(1);
    const twins = [slice("a", { endpoints: [podEndpoint(1)] }), slice("b", { endpoints: [podEndpoint(1)] })];
    expect(new EndpointView(undefined).endpoints(twins, http)).toHaveLength(1);
  });

  test("is two where they name two ports of it", () => {
    const slices = [
      slice("a", { endpoints: [podEndpoint(1)] }),
      slice("b", { endpoints: [podEndpoint(1)], ports: [{ ...httpPort, port: 8081 }] }),
    ];
    expect(new EndpointView(undefined).endpoints(slices, http)).toHaveLength(2);
  });

  test("of both families has both addresses, IPv4 first, and the newer one's conditions", () => {
    for (const [versionOf4, versionOf6] of [
      ["1", "2"],
      ["2", "1"],
    ] as const) {
      const conditions = { ready: false, serving: true, terminating: true };
      const older = { ...v6(1), conditions };
      const [four, six] = versionOf4 === "2" ? [{ ...podEndpoint(1), conditions }, v6(1)] : [podEndpoint(1), older];
      const slices = [
        slice("v4", { endpoints: [four], version: versionOf4 }),
        slice("v6", { endpoints: [six], version: versionOf6, addressType: "IPv6" }),
      ];
      for (const order of [slices, [...slices].reverse()]) {
        const endpoints = new EndpointView(undefined).endpoints(order, http);
        expect(endpoints).toMatchObject([
          {
            key: "uid-1:8080",
            terminating: true,
            addresses: [
              { host: "10.0.0.1", port: 8080 },
              { host: "fd00::1", port: 8080 },
            ],
          },
        ]);
      }
    }
  });

  test("has one address of a family: that of the newest slice", () => {
    const slices = [
      slice("a", { endpoints: [podEndpoint(1)], version: "1" }),
      slice("b", { endpoints: [podEndpoint(1, { addresses: ["10.0.0.99"] })], version: "3" }),
      slice("c", { endpoints: [v6(1)], version: "2" }),
    ];
    const [endpoint] = new EndpointView(undefined).endpoints(slices, http);
    expect(endpoint?.addresses.map(({ host }) => host)).toEqual(["10.0.0.99", "fd00::1"]);
  });
});

describe("5 000 endpoints in 50 slices", () => {
  const slices = Array.from({ length: 50 }, (_, page) =>
    slice(`slice-${page}`, {
      version: `${page + 1}`,
      endpoints: Array.from({ length: 100 }, (_, index) => podEndpoint(100 * page + index)),
    }),
  );
  const changed = slice("slice-7", { version: "99", endpoints: [podEndpoint(700), podEndpoint(90_000)] });
  const next = slices.map((each) => (each.metadata.name === "slice-7" ? changed : each));

  test("stay the same objects where their slice does not change", () => {
    const view = new EndpointView(undefined);
    const before = view.endpoints(slices, http);
    expect(before).toHaveLength(5_000);
    expect(view.endpoints(shuffled(seededRandom(1), slices), http)).toEqual(before);
    const known = new Set(before);
    const after = view.endpoints(next, http);
    expect(after).toHaveLength(4_902);
    expect(
      after
        .filter((endpoint) => !known.has(endpoint))
        .map(({ key }) => key)
        .sort(),
    ).toEqual(["uid-700:8080", "uid-90000:8080"]);
  });

  test("are made anew when the port is another, and when it is the same they are not", () => {
    const view = new EndpointView(undefined);
    const before = view.endpoints(slices, { kind: "number", number: 1 });
    const same = view.endpoints(slices, { kind: "number", number: 1 });
    expect(same.every((endpoint, index) => endpoint === before[index])).toBe(true);
    const other = view.endpoints(slices, { kind: "number", number: 2 });
    expect(other).toHaveLength(5_000);
    expect(other[0]?.addresses[0].port).toBe(2);
    expect(view.endpoints(slices, http)[0]?.addresses[0].port).toBe(8080);
  });

  test("of both families stay the same objects, too", () => {
    const both = [...slices, slice("six", { version: "60", endpoints: [v6(1), v6(2)] })];
    const view = new EndpointView(undefined);
    const known = new Set(view.endpoints(both, http));
    expect(view.endpoints(both, http).filter((endpoint) => !known.has(endpoint))).toEqual([]);
  });
});
