import { describe, expect, test } from "vitest";
import type { ApiRequest } from "../test-helpers/api-server.ts";
import { Resolving, refuseService, startWorld, turns } from "../test-helpers/resolving.ts";
import { bookmark, grpcPort, httpPort, modified, podEndpoint, slice } from "../test-helpers/slices.ts";
import { roleText } from "./explain.ts";

const endpoints = [podEndpoint(1)];
const oneport = [slice("orders-1", { endpoints })];
const twoports = [slice("orders-1", { endpoints, ports: [httpPort, grpcPort] })];
const servicePorts = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "grpc", port: 81, targetPort: "grpc" },
];

describe("the port of a Service", () => {
  test.each([
    ["http://orders.shop:9090", {}],
    ["http://orders.shop:1", { port: "grpc" }],
    ["http://orders.shop:1", { port: 9090 }],
    ["http://orders.shop:1", { port: "9090" }],
  ])("is one of the slices', whose Service nobody asks for: %s with %j", async (target, options) => {
    const api = await startWorld({ slices: twoports });
    expect(await new Resolving(api, { target, ...options }).update(1)).toBe("endpoints 10.0.0.1:9090");
    expect(api.log).not.toContain("service shop/orders");
  });

  test("is the only one where the target names none", async () => {
    const api = await startWorld({ slices: oneport });
    for (const target of ["http://orders.shop", "https://orders.shop"]) {
      expect(await new Resolving(api, { target }).update(1)).toBe("endpoints 10.0.0.1:8080");
    }
    expect(api.log).not.toContain("service shop/orders");
  });

  test.each([
    ["http://orders.shop:81", {}],
    ["http://orders.shop", { port: 81 }],
    ["http://orders.shop", { port: "81" }],
  ])("is one of the Service's, which is asked for once: %s with %j", async (target, options) => {
    const api = await startWorld({ slices: twoports, ports: servicePorts });
    const resolving = new Resolving(api, { target, ...options });
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:9090");
    await api.send(
      modified(slice("orders-1", { endpoints: [podEndpoint(2)], ports: [httpPort, grpcPort], version: "9" })),
    );
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.2:9090");
    expect(api.log.filter((entry) => entry === "service shop/orders")).toHaveLength(1);
  });

  test("is dialled as it is named where the endpoints take every port", async () => {
    const api = await startWorld({ slices: [slice("orders-1", { endpoints, ports: null })] });
    expect(await new Resolving(api, { target: "http://orders.shop:1234" }).update(1)).toBe("endpoints 10.0.0.1:1234");
  });

  test("is the only one there is where the Service may not be read", async () => {
    const api = await startWorld({ slices: oneport });
    api.world.first = refuseService(403, "forbidden");
    expect(await new Resolving(api, { target: "http://orders.shop:80" }).update(1)).toBe("endpoints 10.0.0.1:8080");
  });

  test("that is unknown is an error that lists those that there are", async () => {
    const api = await startWorld({ slices: twoports, ports: servicePorts });
    expect(await new Resolving(api, { target: "http://orders.shop:82" }).update(1)).toBe(
      "error Service shop/orders: there is no port 82; its EndpointSlices have http (8080), grpc (9090)",
    );
    expect(await new Resolving(api, { port: "grcp" }).update(1)).toBe(
      'error Service shop/orders: there is no port named "grcp"; its EndpointSlices have http (8080), grpc (9090)',
    );
  });

  test("that is unknown because the Service may not be read is an error with the Role that grants it", async () => {
    const api = await startWorld({ slices: twoports });
    const message = 'services "orders" is forbidden: User "jane" cannot get resource "services"';
    api.world.first = refuseService(403, message);
    const said = await new Resolving(api, { target: "http://orders.shop:80" }).update(1);
    expect(said).toContain("error Service shop/orders: there is no port 80; its EndpointSlices have http (8080)");
    expect(said).toContain(`${message} (403). Grant it with this Role, bound to the user jane:\n${roleText("shop")}`);
  });

  test("is no matter while there are no endpoints", async () => {
    const api = await startWorld({ slices: [slice("orders-1", { ports: [] })] });
    const resolving = new Resolving(api, { port: "grpc" });
    expect(await resolving.update(1)).toBe("endpoints");
    await api.send(modified(slice("orders-1", { endpoints, ports: [grpcPort], version: "9" })));
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.1:9090");
    expect(api.log).not.toContain("service shop/orders");
  });

  test("that the Service told of is known from then on: updates do not wait for it, nor does its loss matter", async () => {
    const api = await startWorld({ slices: twoports, ports: servicePorts });
    const resolving = new Resolving(api, { target: "http://orders.shop:81" });
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:9090");
    const change = (number: number, version: string) =>
      modified(slice("orders-1", { endpoints: [podEndpoint(number)], ports: [httpPort, grpcPort], version }));
    await api.send(change(2, "8"));
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.2:9090");
    resolving.clock.tick(30_000); // what the Service said has to be asked for anew
    await api.send(bookmark("9"));

    const silent = Promise.withResolvers<ApiRequest>();
    api.world.first = (request) => {
      if (!request.path.includes("/services/")) return false;
      silent.resolve(request);
      return true;
    };
    await api.send(change(3, "10"));
    expect(await resolving.update(3)).toBe("endpoints 10.0.0.3:9090");
    (await silent.promise).json({ message: "etcd is away" }, 500);
    await api.send(change(4, "11"));
    expect(await resolving.update(4)).toBe("endpoints 10.0.0.4:9090");
  });

  test("is another when the Service says so", async () => {
    const api = await startWorld({ slices: twoports, ports: servicePorts });
    const resolving = new Resolving(api, { target: "http://orders.shop:81" });
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:9090");
    api.world.ports = [{ name: "http", port: 81 }];
    await api.asked("watch shop/orders");
    resolving.clock.tick(29_999);
    await api.send(modified({ ...twoports[0]!, metadata: { name: "orders-1", resourceVersion: "9" } }));
    expect(await resolving.update(2)).toBe("endpoints 10.0.0.1:9090");
    resolving.clock.tick(1);
    await api.send(modified({ ...twoports[0]!, metadata: { name: "orders-1", resourceVersion: "10" } }));
    expect(await resolving.update(3)).toBe("endpoints 10.0.0.1:9090");
    expect(await resolving.update(4)).toBe("endpoints 10.0.0.1:8080");
  });

  test("is found once the Service can be read, though nothing else changes", async () => {
    for (const status of [500, 404]) {
      const api = await startWorld({ slices: twoports, ports: servicePorts });
      api.world.first = refuseService(status, "later");
      const resolving = new Resolving(api, { target: "http://orders.shop:81" });
      expect(await resolving.update(1)).toContain("error Service shop/orders: there is no port 81");
      await api.send(modified({ ...twoports[0]!, metadata: { name: "orders-1", resourceVersion: "9" } }));
      expect(await resolving.update(2)).toContain("error Service shop/orders: there is no port 81");
      delete api.world.first;
      expect(resolving.clock.pending).toBe(2); // that of the watch, and one to ask again
      resolving.clock.tick(45_000);
      expect(await resolving.update(3)).toBe("endpoints 10.0.0.1:9090");
      expect(resolving.clock.pending).toBe(1);
    }
  });
});

describe("a Service without slices", () => {
  test("that does not exist is told as that", async () => {
    const api = await startWorld();
    expect(await new Resolving(api).update(1)).toBe("notFound Service shop/orders does not exist");
  });

  test("that exists, or may not be read, has no endpoints", async () => {
    const api = await startWorld({ ports: servicePorts });
    expect(await new Resolving(api).update(1)).toBe("endpoints");
    const other = await startWorld();
    other.world.first = refuseService(403, "forbidden");
    expect(await new Resolving(other).update(1)).toBe("endpoints");
  });

  test("is asked for, and endpoints that come before the answer are told at once, and stay", async () => {
    const api = await startWorld();
    let answer = (): void => {};
    api.world.first = (request) => {
      answer = () => request.json({ message: "not found" }, 404);
      return request.path.includes("/services/");
    };
    const resolving = new Resolving(api);
    await api.asked("service shop/orders");
    const late = answer;
    expect(resolving.updates).toEqual([]);
    await api.send(modified(slice("orders-1", { endpoints, version: "9" })));
    expect(await resolving.update(1)).toBe("endpoints 10.0.0.1:8080");
    late();
    await turns();
    resolving.clock.tick(10_000);
    expect(resolving.updates).toHaveLength(1);
  });

  test("has no endpoints when the API server says nothing for 5 s", async () => {
    const api = await startWorld();
    api.world.first = ({ path }) => path.includes("/services/");
    const resolving = new Resolving(api);
    await api.asked("service shop/orders");
    await resolving.clock.advance(5_000);
    expect(await resolving.update(1)).toBe("endpoints");
  });
});
