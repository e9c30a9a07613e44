import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import {
  type BalancedTransport,
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@evenkeel/connect";
import { roundRobin } from "@evenkeel/core";
import type { Cluster } from "@evenkeel/testing";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { maxPayloadBytes } from "./wire.ts";

/** One way to reach the cluster, which a share of the callers takes. */
export interface Route {
  readonly name: string;
  readonly transport: BalancedTransport;
  readonly client: Client<typeof DemoService>;
  /** Whether the channel is another transport's. */
  readonly isShared: boolean;
  /** Payloads are no larger; smaller where they are expensive. */
  readonly maxBytes: number;
  /** Payloads of a ping's request are no larger: a GET carries them in its path. */
  readonly maxPingBytes: number;
  readonly pingTimeoutMs: number;
}

const defaultPingTimeoutMs = 15_000;
const kib = 1_024;

/** The three protocols, with what people set on them. Nothing is dialled yet. */
export function createRoutes(cluster: Cluster): readonly Route[] {
  const base = { baseUrl: cluster.url, resolver: cluster.resolver() };
  const connect = createConnectTransport(base);
  const impatient = { pingIntervalMs: 1_000, pingTimeoutMs: 1_500 };
  const interceptors = [passThrough];
  return [
    route("connect", connect),
    route(
      "connect, JSON, GET, interceptors",
      createConnectTransport({ ...base, useBinaryFormat: false, useHttpGet: true, interceptors }),
      { maxBytes: 128 * kib, maxPingBytes: 2 * kib },
    ),
    route(
      "connect, gzip, round robin",
      createConnectTransport({ ...base, sendCompression: compressionGzip, policy: roundRobin() }),
      { maxBytes: 1_024 * kib },
    ),
    route("grpc", createGrpcTransport(base)),
    route(
      "grpc, gzip, keepalive, interceptors",
      createGrpcTransport({ ...base, ...impatient, sendCompression: compressionGzip, interceptors }),
      { maxBytes: 1_024 * kib, pingTimeoutMs: impatient.pingTimeoutMs },
    ),
    route("grpc on connect's channel", createGrpcTransport({ baseUrl: cluster.url, channel: connect.channel }), {
      isShared: true,
    }),
    route("grpc-web", createGrpcWebTransport(base)),
    route(
      "grpc-web, JSON, Brotli",
      createGrpcWebTransport({ ...base, useBinaryFormat: false, sendCompression: compressionBrotli }),
      { maxBytes: 16 * kib },
    ),
  ];
}

function route(name: string, transport: BalancedTransport, limits: Partial<Route> = {}): Route {
  const maxBytes = limits.maxBytes ?? maxPayloadBytes;
  return {
    name,
    transport,
    client: createClient(DemoService, transport),
    isShared: false,
    maxBytes,
    maxPingBytes: maxBytes,
    pingTimeoutMs: defaultPingTimeoutMs,
    ...limits,
  };
}

/** Stands between a call and its messages, as interceptors that log do. */
const passThrough: Interceptor = (next) => async (request) => {
  request.header.set("x-soak-intercepted", "1");
  const response = await next(request);
  return response.stream ? { ...response, message: each(response.message) } : response;
};

async function* each<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) yield message;
}
