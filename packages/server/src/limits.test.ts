import { once } from "node:events";
import { constants } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectRaw, lastStreamOf, noticeLastStream, type RawClient, until } from "../test-helpers/raw-client.ts";
import { createServer, type Handler, listen } from "../test-helpers/servers.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleOptions } from "./options.ts";
import { manageConnections } from "./server-lifecycle.ts";

const done: Handler = (_, response) => void response.end("done");
const never: Handler = () => {};

interface SetUp {
  readonly lifecycle: Lifecycle;
  readonly client: RawClient;
  connect(): Promise<RawClient>;
}

async function setUp(secure: boolean, handler: Handler, options: LifecycleOptions): Promise<SetUp> {
  const server = createServer(secure, handler);
  const lifecycle = manageConnections(server, options);
  await listen(server, onTestFinished);
  const connect = async (): Promise<RawClient> => {
    const client = await connectRaw((server.address() as AddressInfo).port, secure);
    onTestFinished(() => client.end());
    client.begin();
    return client;
  };
  const client = await connect();
  await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
  return { lifecycle, client, connect };
}

const ping = (client: RawClient): void => client.send(6, 0, 0, Buffer.alloc(8));
const only = (lifecycle: Lifecycle) => lifecycle.snapshot().connections[0];
/** SETTINGS_MAX_CONCURRENT_STREAMS of a SETTINGS frame. */
const maxStreamsOf = ({ payload }: { readonly payload: Buffer }): number | undefined => {
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === 3) return payload.readUInt32BE(at + 2);
  return undefined;
};

describe.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("over $name", ({ secure }) => {
  test("an idle connection is retired in two phases, one with a stream is not", async () => {
    const { lifecycle, client } = await setUp(secure, never, {});
    client.request("/wait");
    await until("the stream", () => only(lifecycle)?.openStreams === 1);
    lifecycle.update({ maxConnectionIdleMs: 50 });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(only(lifecycle)).toMatchObject({ state: "ready", openStreams: 1 });
    client.send(3, 0, 1, Buffer.from([0, 0, 0, 8])); // RST_STREAM(CANCEL)
    await until("FIN", () => client.ended);
    expect(client.of("GOAWAY").slice(0, 2).map(lastStreamOf)).toEqual([noticeLastStream, 1]);
    expect(client.pings()).toHaveLength(1);
  });

  test("a client that answers no PING is gone after keepaliveTimeMs and keepaliveTimeoutMs, one that does stays", async () => {
    const { lifecycle, client, connect } = await setUp(secure, never, { keepaliveTimeMs: 40, keepaliveTimeoutMs: 40 });
    const silent = await connect();
    silent.autoAck = false;
    silent.request("/wait");
    await until("the silent one is cut", () => silent.closed);
    await until("many PINGs", () => client.pings().length > 3);
    expect(client.closed).toBe(false);
    expect(lifecycle.snapshot().connections).toMatchObject([{ state: "ready" }]);
  });

  test("a client that pings too often is told so; its stream finishes, new ones are beyond the last id", async () => {
    let answer = (): void => {};
    const handler: Handler = (_, response) => {
      answer = () => response.end("late");
    };
    const { lifecycle, client } = await setUp(secure, handler, { minPingIntervalMs: 60_000 });
    const stream = client.request("/wait");
    await until("the stream", () => only(lifecycle)?.openStreams === 1);
    for (let count = 0; count < 3; count++) ping(client);
    await until("answers", () => client.of("PING").length === 3);
    expect(client.of("GOAWAY")).toEqual([]);
    ping(client);
    await until("GOAWAY", () => client.of("GOAWAY").length > 0);
    const [told] = client.of("GOAWAY");
    expect(told?.payload.readUInt32BE(4)).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect(told?.payload.subarray(8).toString()).toBe("too_many_pings");
    expect(client.of("GOAWAY").map(lastStreamOf)).not.toContain(noticeLastStream);
    expect(lastStreamOf(told!)).toBe(stream);
    answer();
    await until("FIN", () => client.ended);
    expect(client.dataOf(stream).toString()).toBe("late");
  });

  test.each<[string, (client: RawClient) => void]>([
    ["WINDOW_UPDATEs", (client) => client.openWindow(0, 1)],
    ["SETTINGS", (client) => client.send(4, 0, 0, Buffer.alloc(0))],
    ["streams that it resets", (client) => client.send(3, 0, client.request("/wait"), Buffer.from([0, 0, 0, 8]))],
  ])("%s of the client do not excuse its PINGs", async (_, excuse) => {
    const { client } = await setUp(secure, never, { minPingIntervalMs: 60_000 });
    for (let count = 1; count <= 8; count++) {
      excuse(client);
      ping(client);
      await until("the answer", () => client.of("PING").length === count || client.ended);
      if (client.of("GOAWAY").length > 0) break;
    }
    await until("GOAWAY", () => client.of("GOAWAY").length > 0, 1_000);
  });

  test("limits that change often do not end connections whose client is slow to acknowledge them", async () => {
    const { lifecycle, client } = await setUp(secure, never, {});
    client.request("/wait");
    await until("the stream", () => only(lifecycle)?.openStreams === 1);
    for (let limit = 1; limit <= 30; limit++) lifecycle.update({ maxConcurrentStreams: limit });
    await until("the last one", () => client.closed || maxStreamsOf(client.of("SETTINGS").at(-1)!) === 30);
    expect(client.closed).toBe(false);
    expect(only(lifecycle)?.openStreams).toBe(1);
  });

  test("responses keep PINGs from being too many", async () => {
    const { client } = await setUp(secure, done, { minPingIntervalMs: 60_000 });
    for (let round = 0; round < 20; round++) {
      const stream = client.request("/");
      for (let count = 0; count < 2; count++) ping(client);
      await until("the response", () => client.isComplete(stream));
    }
    expect(client.of("GOAWAY")).toEqual([]);
  });

  test("maxConcurrentStreams is in the first SETTINGS, and in new ones when it changes", async () => {
    const { lifecycle, client, connect } = await setUp(secure, never, { maxConcurrentStreams: 2 });
    expect(maxStreamsOf(client.of("SETTINGS")[0]!)).toBe(2);
    lifecycle.update({ maxConcurrentStreams: 3 });
    await until("SETTINGS", () => maxStreamsOf(client.of("SETTINGS").at(-1)!) === 3);
    const later = await connect();
    await until("SETTINGS", () => later.of("SETTINGS").length > 0);
    expect(maxStreamsOf(later.of("SETTINGS")[0]!)).toBe(3);
    for (let stream = 0; stream < 3; stream++) client.request("/wait");
    await until("three streams", () => only(lifecycle)?.openStreams === 3);
  });

  test("connections above maxConnections are closed before they are read", async () => {
    const { lifecycle, client, connect } = await setUp(secure, done, { maxConnections: 1 });
    const refused = await connect().catch((error: unknown) => error);
    // over TLS the handshake fails
    if (!(refused instanceof Error)) await until("it is closed", () => (refused as RawClient).closed);
    expect(lifecycle.snapshot().totals).toMatchObject({ opened: 1, refused: 1 });
    await client.end();
    await until("there is room", () => lifecycle.snapshot().connections.length === 0);
    const next = await connect();
    await until("SETTINGS", () => next.of("SETTINGS").length > 0);
  });

  test("a client that has stopped to read is gone by the hard limit, with a stream or without", async () => {
    const body = Buffer.alloc(16 * 2 ** 20);
    const { lifecycle, client } = await setUp(secure, (_, response) => response.end(body), {
      maxConnectionAgeGraceMs: 150,
      goawayNoticeTimeoutMs: 50,
      goawayPingTimeoutMs: 50,
    });
    client.socket.pause();
    client.openWindow(0, 2 ** 30);
    client.request("/");
    client.openWindow(1, 2 ** 30);
    await until("the stream", () => only(lifecycle)?.openStreams === 1);
    lifecycle.retireConnections();
    await until("it is gone", () => lifecycle.snapshot().connections.length === 0);
    client.socket.resume();
    await until("the socket is closed", () => client.closed);
  });

  test("limits that change count for connections that are open", async () => {
    const { lifecycle, client } = await setUp(secure, done, {});
    lifecycle.update({ maxConnectionAgeMs: 20 });
    await until("FIN", () => client.ended);
    expect(() => lifecycle.update({ maxConnectionAgeMs: 0 })).toThrow(RangeError);
    expect(() => lifecycle.update({ podName: "other" } as object)).toThrow(TypeError);
  });
});

test("an abrupt client leaves no timer behind", async () => {
  const { lifecycle, client } = await setUp(false, never, {
    maxConnectionAgeMs: 1_000,
    maxConnectionIdleMs: 1_000,
    keepaliveTimeMs: 1_000,
    minPingIntervalMs: 1_000,
  });
  client.request("/wait");
  ping(client);
  await until("the stream", () => only(lifecycle)?.openStreams === 1);
  client.socket.resetAndDestroy();
  await once(client.socket, "close");
  await until("it is gone", () => lifecycle.snapshot().connections.length === 0);
  expect(lifecycle.snapshot().totals).toEqual({
    ...{ opened: 1, closed: 1, refused: 0, retired: 0, goawaysSent: 0, streams: 1 },
  });
});
