import { systemClock, systemRandom } from "@evenkeel/core";
import { apiServerAt } from "@evenkeel/kubernetes";
import { type PretendApiServer, startApiServer } from "@evenkeel/testing";
import { type ChannelOptions, experimental, Metadata, status } from "@grpc/grpc-js";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { registerRecorder } from "../../test-helpers/recording-balancer.ts";
import {
  createEchoCaller,
  type EchoCaller,
  type EchoServer,
  type Failure,
  startEchoServers,
  withPolicy,
} from "../../test-helpers/servers.ts";
import { FaultConfig, FaultLoadBalancer, faultPolicy } from "../balancing/fault.ts";
import { toEndpoint } from "./endpoints.ts";
import { createResolverTypes, type RegisterOptions } from "./resolver-types.ts";

const context = { clock: systemClock, random: systemRandom, policyNames: ["least_request", "peak_ewma"] };

function registerResolvers(options: RegisterOptions = {}): void {
  experimental.registerLoadBalancerType(faultPolicy, FaultLoadBalancer, FaultConfig);
  for (const [scheme, type] of createResolverTypes(options, context)) experimental.registerResolver(scheme, type);
}

/** Calls until each server was called. */
async function reachAll(target: string, servers: readonly EchoServer[], options: ChannelOptions): Promise<void> {
  const { call } = createEchoCaller(target, options);
  while (servers.some(({ calls }) => calls === 0)) expect(await call()).toBeUndefined();
}

/** Sends an RPC that waits for ready, for up to so long. */
function callWaiting({ client }: EchoCaller, ms = 10_000): Promise<Failure | undefined> {
  const metadata = new Metadata({ waitForReady: true });
  const asIs = (message: Buffer): Buffer => message;
  const options = { deadline: Date.now() + ms };
  return new Promise((resolve) => {
    client.makeUnaryRequest("/test.v1.EchoService/Echo", asIs, asIs, Buffer.from("hi"), metadata, options, (error) =>
      resolve(error ?? undefined),
    );
  });
}

/** A slice of the Service shop/orders with one pod. */
function setPod(api: PretendApiServer, { address }: EchoServer, number: number): void {
  api.setSlice({
    metadata: { name: `orders-${number}`, namespace: "shop", labels: { "kubernetes.io/service-name": "orders" } },
    addressType: "IPv4",
    endpoints: [
      {
        addresses: ["127.0.0.1"],
        conditions: { ready: true },
        zone: "a",
        nodeName: `node-${number}`,
        targetRef: { kind: "Pod", namespace: "shop", name: `orders-${number}`, uid: `uid-${number}` },
      },
    ],
    ports: [{ name: "grpc", port: Number(address.split(":")[1]) }],
  });
}

async function startOrders(...servers: readonly EchoServer[]): Promise<PretendApiServer> {
  const api = await startApiServer({ tls: false });
  onTestFinished(() => api.close());
  servers.forEach((server, index) => {
    setPod(api, server, index + 1);
  });
  registerResolvers({ kubernetes: { apiServer: apiServerAt(api.url) } });
  return api;
}

beforeEach(() => registerResolvers());

describe("a channel of grpc-js", () => {
  test("reaches the endpoints of a static target", async () => {
    const servers = await startEchoServers(0, 0);
    const target = `static:///${servers.map(({ address }) => address).join()}`;
    await reachAll(target, servers, withPolicy("round_robin"));
  });

  test("reaches those of a DNS name, by the options that were registered last", async () => {
    const servers = await startEchoServers(0);
    const port = servers[0]?.address.split(":")[1];
    const asked: string[] = [];
    const lookup = async (host: string) => {
      asked.push(host);
      return [{ address: "127.0.0.1", family: 4 }];
    };
    registerResolvers({ dns: { lookup: () => Promise.reject(new Error("not this one")) } });
    registerResolvers({ dns: { lookup } });
    await reachAll(`evenkeel-dns:///orders.shop:${port}`, servers, withPolicy("round_robin"));
    expect(asked).toContain("orders.shop");
  });

  test("reaches the pods of a Service, those that come later, too", async () => {
    const [one, two, three] = (await startEchoServers(0, 0, 0)) as [EchoServer, EchoServer, EchoServer];
    const api = await startOrders(one, two);
    const { call } = createEchoCaller("kubernetes:///orders.shop:grpc", withPolicy("round_robin"));
    while (one.calls === 0 || two.calls === 0) expect(await call()).toBeUndefined();
    await api.untilWatched();
    setPod(api, three, 3);
    while (three.calls === 0) expect(await call()).toBeUndefined();
    api.deleteSlice("orders-1", "shop");
    api.deleteSlice("orders-2", "shop");
    await vi.waitUntil(async () => {
      const before = one.calls + two.calls;
      for (let rpc = 0; rpc < 6; rpc++) expect(await call()).toBeUndefined();
      return one.calls + two.calls === before;
    });
  });

  test("shares the watch of a Service with the others of its process", async () => {
    const servers = await startEchoServers(0, 0);
    const api = await startOrders(...servers);
    const callers = ["orders.shop:grpc", "orders.shop.svc.cluster.local:grpc", "orders.shop:grpc"].map((path, index) =>
      createEchoCaller(`kubernetes:///${path}`, {
        ...withPolicy("round_robin"),
        "grpc.primary_user_agent": `${index}`,
      }),
    );
    for (const { call } of callers) expect(await call()).toBeUndefined();
    await api.untilWatched();
    expect(api.requests.map(({ verb, resource }) => `${verb} ${resource}`)).toEqual([
      "list endpointslices",
      "watch endpointslices",
    ]);
    for (const { client } of callers) client.close();
    await api.until(() => api.watches.length === 0);
  });

  test("tells its policy all that is known of an endpoint", async () => {
    const recorder = registerRecorder();
    await startOrders(...(await startEchoServers(0)));
    const { call } = createEchoCaller("kubernetes:///orders.shop:grpc", withPolicy(recorder.name));
    expect(await call()).toMatchObject({ code: status.UNAVAILABLE, details: "1 endpoints; " });
    const list = recorder.updates[0]?.list;
    expect(list?.ok === true && list.value.map(toEndpoint)).toMatchObject([
      {
        key: expect.stringContaining("uid-1"),
        zone: "a",
        weight: 1,
        podName: "orders-1",
        nodeName: "node-1",
        ready: true,
      },
    ]);
  });

  test.each([
    ["kubernetes://shop/orders:80", 'malformed target: there is no place for "shop", expected "kubernetes:///svc.ns'],
    ["kubernetes:///orders..shop:80", '"orders..shop" is no name of a Service: expected "svc", "svc.ns"'],
    ["kubernetes:///Orders.shop:80", '"Orders.shop" is no name of a Service'],
    ["kubernetes:///orders.shop:-", "kubernetes: port: expected a DNS label"],
    ["kubernetes:///", 'malformed target: expected "kubernetes:///svc.ns:port"'],
    ["static:///a", 'malformed endpoint "a": expected "host:port"'],
    ["static:///", 'malformed target: expected "static:///host:port'],
    ["evenkeel-dns:///orders:http", 'malformed target: expected "evenkeel-dns:///name:port"'],
    ["evenkeel-dns://ns/orders:80", 'malformed target: "ns" is no address of a DNS server'],
  ])("fails the RPCs of %s with what is wrong", async (target, message) => {
    registerResolvers({ kubernetes: { apiServer: apiServerAt("http://127.0.0.1:1") } });
    for (const options of [withPolicy("round_robin"), withPolicy("pick_first"), {}]) {
      const caller = createEchoCaller(target, options);
      const failures = [await callWaiting(caller), await caller.call(), await caller.call(), await callWaiting(caller)];
      const details = expect.stringContaining(`${target}: ${message}`);
      for (const failure of failures) expect(failure).toMatchObject({ code: status.UNAVAILABLE, details });
    }
  });

  test("lets RPCs wait for ready while a DNS server is away", async () => {
    registerResolvers({ dns: { lookup: () => Promise.reject(new Error("no DNS")) } });
    const caller = createEchoCaller("evenkeel-dns:///orders:80", withPolicy("round_robin"));
    expect(await caller.call()).toMatchObject({
      code: status.UNAVAILABLE,
      details: "evenkeel-dns:///orders:80: its endpoints could not be learnt: DNS look-up of orders failed: no DNS",
    });
    expect(await callWaiting(caller, 100)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test("fails RPCs with what the API server says", async () => {
    const api = await startOrders();
    api.deny({ resource: "endpointslices" });
    const { call } = createEchoCaller("kubernetes:///orders.shop:grpc", withPolicy("round_robin"));
    const failure = await call();
    expect(failure).toMatchObject({ code: status.UNAVAILABLE });
    expect(failure?.details).toContain("EndpointSlices of Service shop/orders: ");
    expect(failure?.details).toContain("kind: Role");
  });

  test("fails RPCs where no policy of the service config can be used, instead of taking pick_first", async () => {
    const caller = createEchoCaller("static:///127.0.0.1:1", withPolicy("nope"));
    for (const call of [() => callWaiting(caller), caller.call, caller.call]) {
      expect(await call()).toMatchObject({
        code: status.UNAVAILABLE,
        details:
          "static:///127.0.0.1:1: grpc.service_config: loadBalancingConfig: no policy is called nope; evenkeel's " +
          "register() adds least_request, peak_ewma",
      });
    }
  });

  test.each([
    ["{", SyntaxError],
    ["5", TypeError],
    ['{"loadBalancingConfig":{}}', "Invalid service config: invalid loadBalancingConfig"],
    ['{"loadBalancingConfig":[{}]}', "Invalid loadBalancingConfig: load balancing policy name required"],
  ])("is not made with the service config %s, by grpc-js itself", (text, error) => {
    expect(() => createEchoCaller("static:///127.0.0.1:1", { "grpc.service_config": text })).toThrow(error);
  });

  test("without a policy takes pick_first", async () => {
    const servers = await startEchoServers(0, 0);
    const { call } = createEchoCaller(`static:///${servers.map(({ address }) => address).join()}`);
    for (let rpc = 0; rpc < 4; rpc++) expect(await call()).toBeUndefined();
    expect(servers.map(({ calls }) => calls).sort()).toEqual([0, 4]);
  });
});

test("createResolverTypes names the option that is wrong", () => {
  expect(() => createResolverTypes({ vip: {} } as never, context)).toThrow("vip: no option of register");
  expect(() => createResolverTypes({ dns: { refreshMs: -1 } }, context)).toThrow("refreshMs");
  expect(() => createResolverTypes({ kubernetes: { zone: "" } }, context)).toThrow("kubernetes: zone");
});
