import { once } from "node:events";
import { connect } from "node:http2";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { clients, type HealthClient } from "../../test-helpers/clients.ts";
import { type HealthServer, startHealthServer } from "../../test-helpers/health-server.ts";

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

const notFound = 5;
const resourceExhausted = 8;
const unavailable = 14;

async function start(
  create: (port: number) => HealthClient,
  ...args: Parameters<typeof startHealthServer>
): Promise<HealthServer & { client: HealthClient }> {
  const server = await startHealthServer(...args);
  const client = create(server.port);
  onTestFinished(() => client.close());
  return Object.assign(server, { client });
}

describe.each(Object.entries(clients))("%s", (_name, create) => {
  it("checks services, known and unknown", async () => {
    const { registry, client } = await start(create);
    registry.set("shop.OrderService", "notServing");
    registry.set("shop.CartService", "unknown");
    expect(await client.check("")).toBe(SERVING);
    expect(await client.check("shop.OrderService")).toBe(NOT_SERVING);
    expect(await client.check("shop.CartService")).toBe(0);
    await expect(client.check("shop.Orders")).rejects.toMatchObject({ code: notFound });
  });

  it("lists up to 100 services", async () => {
    const { registry, client } = await start(create);
    for (let number = 1; number < 100; number++) registry.set(`service-${number}`, "notServing");
    const statuses = await client.list();
    expect(Object.keys(statuses)).toHaveLength(100);
    expect([statuses[""], statuses["service-99"]]).toEqual([SERVING, NOT_SERVING]);
    registry.set("one more", "serving");
    await expect(client.list()).rejects.toMatchObject({ code: resourceExhausted });
  });

  it("watches a service, from before it is known until the client goes", async () => {
    const server = await start(create);
    const abort = new AbortController();
    const watch = server.client.watch("shop.OrderService", abort.signal)[Symbol.asyncIterator]();
    expect(await watch.next()).toMatchObject({ value: SERVICE_UNKNOWN });
    server.registry.set("shop.OrderService", "serving");
    expect(await watch.next()).toMatchObject({ value: SERVING });
    const next = watch.next();
    server.registry.set("shop.OrderService", "serving");
    server.registry.set("shop.OrderService", "notServing");
    expect(await next).toMatchObject({ value: NOT_SERVING });
    expect(server.rpcs).toBe(1);
    const last = watch.next();
    abort.abort();
    await expect(last).rejects.toThrow();
    await expect.poll(() => server.rpcs, { interval: 1 }).toBe(0);
  });

  it("hears of a drain before the others do, and does not hold it", async () => {
    const clock = new FakeClock();
    const server = await start(create, { clock, readinessDelayMs: 5_000, drainTimeoutMs: Number.POSITIVE_INFINITY });
    const watch = server.client.watch("")[Symbol.asyncIterator]();
    expect(await watch.next()).toMatchObject({ value: SERVING });
    const shutdown = server.lifecycle.shutdown();
    expect(await watch.next()).toMatchObject({ value: NOT_SERVING });
    server.registry.set("", "serving");
    expect(await server.client.check("")).toBe(NOT_SERVING);
    const late = server.client.watch("")[Symbol.asyncIterator]();
    expect(await late.next()).toMatchObject({ value: NOT_SERVING });
    const ends = [watch.next(), late.next()];
    for (const end of ends) end.catch(() => {});
    await clock.advance(5_000);
    for (const end of ends) await expect(end).rejects.toMatchObject({ code: unavailable });
    await shutdown;
    expect(server.rpcs).toBe(0);
  });
});

it("a watch that begins after the registry was closed tells nothing, so that who asks again waits", async () => {
  for (const create of Object.values(clients)) {
    const { registry, client } = await start(create);
    registry.close();
    const watch = client.watch("")[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject({
      code: unavailable,
      message: expect.stringContaining("shutting down"),
    });
    expect(await client.check("")).toBe(NOT_SERVING);
  }
});

it("a client that goes without a word leaves nothing behind", async () => {
  const server = await startHealthServer();
  const session = connect(`http://127.0.0.1:${server.port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Watch",
    "content-type": "application/grpc",
  });
  stream.on("error", () => {}).end(Buffer.alloc(5));
  await once(stream, "data");
  expect(server.rpcs).toBe(1);
  session.socket.destroy();
  await expect.poll(() => server.rpcs, { interval: 1 }).toBe(0);
});

it("a client that does not read is told the latest when it does", async () => {
  const { registry, client } = await start(clients["our gRPC client"] as (port: number) => HealthClient);
  const watch = client.watch("")[Symbol.asyncIterator]();
  await watch.next();
  const told: number[] = [];
  for (let change = 0; change < 10_000; change++) registry.set("", change % 2 === 0 ? "notServing" : "unknown");
  registry.set("", "serving");
  registry.set("", "notServing");
  registry.close();
  await expect(
    (async () => {
      for (let next = await watch.next(); ; next = await watch.next()) told.push(next.value as number);
    })(),
  ).rejects.toMatchObject({ code: unavailable });
  expect(told.length).toBeLessThan(3);
  expect(told.at(-1)).toBe(NOT_SERVING);
});
