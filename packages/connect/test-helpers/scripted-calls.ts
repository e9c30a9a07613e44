import { createClient } from "@connectrpc/connect";
import { type ChannelOptions, createChannel, StatusCode, StatusError, staticEndpoints } from "@evenkeel/core";
import { FakeClock, ScriptedConnector, type ScriptedStream } from "@evenkeel/testing";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { connectProtocols } from "../src/connect-transport.ts";
import { grpcProtocols } from "../src/grpc-transport.ts";
import { grpcWebProtocols } from "../src/grpc-web-transport.ts";
import type { ConnectTransportOptions } from "../src/options.ts";
import { type BalancedTransport, createBalancedTransport } from "../src/transport.ts";
import { inTurn } from "./policies.ts";

const protocols = { grpc: grpcProtocols, "grpc-web": grpcWebProtocols, connect: connectProtocols };

export interface ScriptedCalls {
  readonly clock: FakeClock;
  readonly connector: ScriptedConnector;
  readonly transport: BalancedTransport;
  readonly client: ReturnType<typeof createClient<typeof DemoService>>;
  /** Streams in the order in which they were opened, on whatever connection. */
  readonly streams: readonly ScriptedStream[];
}

type CallOptions = Partial<
  Pick<
    ConnectTransportOptions,
    | "interceptors"
    | "readMaxBytes"
    | "acceptCompression"
    | "sendCompression"
    | "useHttpGet"
    | "useBinaryFormat"
    | "retry"
    | "hedging"
  >
> &
  Partial<Pick<ChannelOptions, "policy" | "retryBudget" | "random" | "waitForReady">>;

export interface ScriptedCallsOptions extends CallOptions {
  readonly protocol?: keyof typeof protocols;
  readonly addresses?: readonly string[];
  /** Whether connections become ready by themselves. Default true. */
  readonly connects?: boolean;
  readonly onStream?: (stream: ScriptedStream) => void;
}

/** A transport whose peers and whose time are the test's. */
export function scriptedCalls(options: ScriptedCallsOptions = {}): ScriptedCalls {
  const { protocol = "grpc", addresses = ["10.0.0.1:80"], connects = true, onStream, ...others } = options;
  const { policy, retryBudget, random = () => 0.5, waitForReady = false, ...rest } = others;
  const clock = new FakeClock();
  const baseUrl = "http://orders.test";
  const streams: ScriptedStream[] = [];
  const connector = new ScriptedConnector({
    ...(connects ? { onDial: (connection) => connection.becomeReady() } : {}),
    onStream: (stream) => {
      streams.push(stream);
      onStream?.(stream);
    },
  });
  const resolver = staticEndpoints(addresses);
  const channel = createChannel({
    ...{ target: baseUrl, connector, resolver, clock, random, waitForReady },
    ...(policy === undefined ? {} : { policy }),
    ...(retryBudget === undefined ? {} : { retryBudget }),
  });
  const transport = createBalancedTransport({ baseUrl, channel, ...rest }, protocols[protocol], { clock, random });
  return { clock, connector, transport, client: createClient(DemoService, transport), streams };
}

/** An envelope of gRPC and its kin. */
export function envelope(data: Uint8Array | string, flags = 0): Uint8Array {
  const bytes = Buffer.from(data);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

/** Bytes of a message with the pod "pod", whichever of the demo's responses it is. */
export const podMessage: Uint8Array = Buffer.from("0a03706f64", "hex");

export const grpcHead = { headers: [["content-type", "application/grpc+proto"]] } as const;
export const grpcOk = [["grpc-status", "0"]] as const;

/** Answers a stream with one message, as gRPC does. */
export function answerGrpc(stream: ScriptedStream): void {
  stream.respond({ ...grpcHead, body: [envelope(podMessage)], trailers: grpcOk });
  stream.complete();
}

/** Answers a stream with a status and no message; `trailers` besides. */
export function failGrpc(
  stream: ScriptedStream,
  code: number,
  trailers: readonly (readonly [string, string])[] = [],
): void {
  stream.respond({ ...grpcHead, trailers: [["grpc-status", String(code)], ...trailers] });
  stream.complete();
}

/** The headers that a request was sent with. */
export function headersOf({ head }: ScriptedStream): Record<string, string> {
  return Object.fromEntries([...head.headers, ...(head.furtherHeaders ?? [])]);
}

/** The address of the endpoint that got a stream. */
export function addressOf({ connector }: ScriptedCalls, stream: ScriptedStream): string {
  const connection = connector.connections.find(({ streams }) => streams.includes(stream));
  if (connection === undefined) throw new Error("no connection has the stream");
  return connection.endpoint.key;
}

/** How a stream ends whose connection is lost: nobody knows what became of its request. */
export const lost = { fate: "ambiguous", error: new StatusError(StatusCode.unavailable, "it broke") } as const;

/** The addresses of three pods. */
export const threePods: readonly string[] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];

/** Calls over connections that are ready, to three pods in turn. */
export async function readyCalls(options: ScriptedCallsOptions = {}): Promise<ScriptedCalls> {
  const all = scriptedCalls({ addresses: threePods, policy: inTurn, ...options });
  await all.transport.channel.ready();
  return all;
}

/** How many attempts there are `ms` from now. */
export async function attemptsAfter({ clock, streams }: ScriptedCalls, ms: number): Promise<number> {
  await clock.advance(ms);
  return streams.length;
}

/** The trailer by which a server says when it wants the next attempt. */
export function pushback(value: string): [name: string, value: string][] {
  return [["grpc-retry-pushback-ms", value]];
}
