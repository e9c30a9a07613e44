import { createSocket } from "node:dgram";
import { promises as dns } from "node:dns";
import { once } from "node:events";
import { createEndpoint, type Endpoint } from "@evenkeel/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../fake-clock.ts";
import { ClusterDns, type ClusterDnsOptions } from "./dns-server.ts";

const host = "orders.default.svc.cluster.local";

const pods = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, index) =>
    createEndpoint({ key: `orders-${index + 1}`, host: `127.1.2.${index + 1}`, port: 8080 }),
  );

async function start(
  endpoints: () => readonly Endpoint[],
  options?: ClusterDnsOptions,
): Promise<{ server: ClusterDns; resolver: dns.Resolver }> {
  const server = await ClusterDns.start(host, endpoints, options);
  const resolver = new dns.Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([server.address]);
  onTestFinished(async () => {
    resolver.cancel();
    await server.close();
  });
  return { server, resolver };
}

describe("ClusterDns", () => {
  test("answers with the ready pods, in whatever case it is asked", async () => {
    const [first, second] = pods(2);
    const leaving = { ...second!, ready: false, terminating: true };
    const { server, resolver } = await start(() => [first!, leaving]);
    expect(await resolver.resolve4(host)).toEqual(["127.1.2.1"]);
    expect(await resolver.resolve4(host.toUpperCase())).toEqual(["127.1.2.1"]);
    expect(server.queries).toBe(2);
  });

  test("has no AAAA records, and no other names", async () => {
    const { resolver } = await start(() => pods(1));
    await expect(resolver.resolve6(host)).rejects.toMatchObject({ code: "ENODATA" });
    await expect(resolver.resolve4("other.default.svc.cluster.local")).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolve4("orders-9.orders.default.svc.cluster.local")).rejects.toMatchObject({
      code: "ENOTFOUND",
    });
  });

  test("says NXDOMAIN while no pod is ready, as the specification wants it", async () => {
    const { resolver } = await start(() => []);
    await expect(resolver.resolve4(host)).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolveSrv(`_grpc._tcp.${host}`)).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  test("has SRV records, whose targets have addresses", async () => {
    const { resolver } = await start(() => pods(3));
    const records = await resolver.resolveSrv(`_grpc._tcp.${host}`);
    expect(records).toHaveLength(3);
    expect(records[0]).toMatchObject({ name: `orders-1.${host}`, port: 8080, priority: 0, weight: 33 });
    expect(await resolver.resolve4(records[2]!.name)).toEqual(["127.1.2.3"]);
    await expect(resolver.resolve4(`_grpc._tcp.${host}`)).rejects.toMatchObject({ code: "ENODATA" });
  });

  test("gives one address for pods that share it", async () => {
    const shared = [1, 2].map((port) => createEndpoint({ key: `orders-${port}`, host: "127.0.0.1", port }));
    const { resolver } = await start(() => shared);
    expect(await resolver.resolve4(host)).toEqual(["127.0.0.1"]);
    expect((await resolver.resolveSrv(`_grpc._tcp.${host}`)).map((record) => record.port).sort()).toEqual([1, 2]);
  });

  test("lags behind by its cache, and counts the TTL down", async () => {
    const clock = new FakeClock();
    let endpoints = pods(1);
    const { server, resolver } = await start(() => endpoints, { ttlSeconds: 30, clock });
    const ask = () => resolver.resolve4(host, { ttl: true });
    expect(await ask()).toEqual([{ address: "127.1.2.1", ttl: 30 }]);
    endpoints = [];
    clock.tick(10_000);
    expect(await ask()).toEqual([{ address: "127.1.2.1", ttl: 20 }]);
    clock.tick(20_000);
    await expect(ask()).rejects.toMatchObject({ code: "ENOTFOUND" });
    endpoints = pods(2);
    await expect(ask()).rejects.toMatchObject({ code: "ENOTFOUND" }); // that there is none is cached too
    server.ttlSeconds = 0;
    expect(await ask()).toHaveLength(2);
    endpoints = pods(3);
    expect(await ask()).toHaveLength(3);
  });

  test("answers with many pods at once", async () => {
    const { resolver } = await start(() => pods(100));
    expect(await resolver.resolve4(host)).toHaveLength(100);
    expect(await resolver.resolveSrv(`_grpc._tcp.${host}`)).toHaveLength(100);
  });

  test.for([
    ["SERVFAIL", "ESERVFAIL"],
    ["NXDOMAIN", "ENOTFOUND"],
    ["REFUSED", "EREFUSED"],
  ] as const)("fails with %s while it is told to", async ([failWith, code]) => {
    const { server, resolver } = await start(() => pods(1), { failWith });
    await expect(resolver.resolve4(host)).rejects.toMatchObject({ code });
    server.failWith = undefined;
    expect(await resolver.resolve4(host)).toHaveLength(1);
  });

  test("can be silent", async () => {
    const { server } = await start(() => pods(1), { failWith: "timeout" });
    const impatient = new dns.Resolver({ timeout: 20, tries: 1 });
    impatient.setServers([server.address]);
    await expect(impatient.resolve4(host)).rejects.toMatchObject({ code: "ETIMEOUT" });
  });

  test("can be slow, and sends nothing after close", async () => {
    const { server, resolver } = await start(() => pods(1), { delayMs: 30 });
    const startedAt = performance.now();
    expect(await resolver.resolve4(host)).toHaveLength(1);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(25);
    server.delayMs = 1_000_000;
    const late = resolver.resolve4(host).catch((error: NodeJS.ErrnoException) => error.code);
    await expect.poll(() => server.queries).toBe(2);
    await server.close();
    await server.close();
    resolver.cancel();
    expect(await late).toBe("ECANCELLED");
  });

  test("survives what is not DNS", async () => {
    const { server, resolver } = await start(() => pods(1));
    const client = createSocket("udp4");
    client.send("nonsense", Number(server.address.split(":")[1]), "127.0.0.1", () => client.close());
    await once(client, "close");
    expect(await resolver.resolve4(host)).toHaveLength(1);
    expect(server.queries).toBe(1);
  });

  test("refuses options out of range, and leaves nothing open then", async () => {
    await expect(ClusterDns.start(host, () => [], { ttlSeconds: -1 })).rejects.toThrow(/^ttlSeconds: /);
    await expect(ClusterDns.start(host, () => [], { delayMs: Number.NaN })).rejects.toThrow(/^delayMs: /);
    const { server } = await start(() => []);
    expect(() => {
      server.ttlSeconds = Number.NaN;
    }).toThrow(RangeError);
    expect(() => {
      server.delayMs = -1;
    }).toThrow(RangeError);
  });
});
