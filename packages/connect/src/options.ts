import type { BinaryReadOptions, BinaryWriteOptions, JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  type Channel,
  type ChannelOptions,
  checkKeys,
  durationOption,
  type Policy,
  parseTarget,
  type ResolverFactory,
} from "@evenkeel/core";
import type { HealthCheck } from "@evenkeel/health";
import type { NodeOptions } from "@evenkeel/http2";
import { compressionBrotli, compressionGzip } from "./compression.ts";
import { http1Channels } from "./http1/channels.ts";
import type { Http1NodeOptions } from "./http1/node-options.ts";
import type { HedgingOptions, RetryOptions } from "./resending-options.ts";

/** The options that all transports share: connect-node's, with its defaults, and ours. All times in milliseconds. */
export type TransportOptions = CommonOptions & (Http2Options | Http1Options);

interface CommonOptions {
  /** `http://host:port` or `https://host:port`, with an optional path prefix. Decides scheme, `:authority` and SNI. */
  readonly baseUrl: string;
  /** Which addresses are dialled. Default `dns()`. */
  readonly resolver?: ResolverFactory;
  /** Which pods are connected to, such as `rendezvousSubset({ size: 20 })`. Default: all. */
  readonly subset?: NonNullable<ChannelOptions["subset"]>;
  /** Which pod an RPC goes to. Default `leastRequest()`. */
  readonly policy?: Policy;
  /** Prefers pods of the client's zone. Default: all are alike. */
  readonly locality?: NonNullable<ChannelOptions["locality"]>;
  /** Gives pods that join less at first, for `windowMs`. Default: their whole share at once. */
  readonly slowStart?: NonNullable<ChannelOptions["slowStart"]>;
  /** Leaves pods that fail more than others out for a while (gRFC A50); `{}` for its defaults. Default: none is left out. */
  readonly outlierDetection?: NonNullable<ChannelOptions["outlierDetection"]>;
  /**
   * The channel of another transport, to share its connections: its `baseUrl` may have another path. Excludes the
   * options that make a channel.
   */
  readonly channel?: Channel;
  /** From the dial until a connection is ready. Default 5 000. */
  readonly connectTimeoutMs?: number;
  /**
   * To one pod: dialled one after another while RPCs find all of them full (gRFC A105, HTTP/2 only). 1 to 100, default 1.
   */
  readonly maxConnectionsPerEndpoint?: number;
  /** Waits for a ready connection until the RPC's deadline, also while all of them fail. Default false. */
  readonly waitForReady?: boolean;
  /**
   * Picks healthy connections alone: as `{ service }` says, watched over gRPC (gRFC A17, HTTP/2 only), or as `{ path }`
   * answers. Default: every ready connection is healthy.
   */
  readonly healthCheck?: HealthCheck;
  /**
   * Which RPCs are sent again when they failed. Default: those of methods that are idempotent by their
   * `idempotency_level`, on `Unavailable`, 3 attempts in all. `false`: none but those that never happened.
   */
  readonly retry?: RetryOptions | false;
  /** Which RPCs are sent to a further pod while the first one has not answered. Default none. */
  readonly hedging?: HedgingOptions | false;
  /** How much retries and hedges may add to the load. Default a fifth of the RPCs, and 10 per second. */
  readonly retryBudget?: NonNullable<ChannelOptions["retryBudget"]>;
  /** Without a byte of the peer, until it is pinged. HTTP/2 only, as the next two. Default `Infinity`: never. */
  readonly pingIntervalMs?: number;
  /** Whether connections without a stream are pinged. Default false. */
  readonly pingIdleConnection?: boolean;
  /** A connection that does not answer a ping for so long is dead. Default 15 000. */
  readonly pingTimeoutMs?: number;
  /** How long the streams of pods that are not wanted any more may take to finish. Default 30 000. */
  readonly drainTimeoutMs?: number;
  /** Without an RPC for so long, resolver and connections stop until the next one. Default 900 000. */
  readonly idleConnectionTimeoutMs?: number;
  /** Binary protobuf or JSON. Default true: binary. */
  readonly useBinaryFormat?: boolean;
  /** The first one is outermost; retries happen inside them. */
  readonly interceptors?: Interceptor[];
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
  /** What responses may be compressed with, the preferred first. Default gzip and Brotli. */
  readonly acceptCompression?: Compression[];
  /** What requests are compressed with. Default none. */
  readonly sendCompression?: Compression;
  /** Smaller messages are sent as they are. Default 1 024 bytes. */
  readonly compressMinBytes?: number;
  /** Largest message to receive. Default and maximum 2^32 - 1 bytes. */
  readonly readMaxBytes?: number;
  /** Largest message to send. Default and maximum 2^32 - 1 bytes. */
  readonly writeMaxBytes?: number;
  /** The timeout of calls that give none. Default none. */
  readonly defaultTimeoutMs?: number;
}

interface Http2Options {
  /** "1.1" for Connect and gRPC-Web: a keep-alive agent for each endpoint. gRPC needs HTTP/2. Default "2". */
  readonly httpVersion?: "2";
  /** For `tls.connect`, and `createConnection`; a function is called for every dial. */
  readonly nodeOptions?: NodeOptions | (() => NodeOptions);
}

interface Http1Options {
  readonly httpVersion: "1.1";
  /** For `http.request` or `https.request`, an `agent` for one; a function is called for every dial. */
  readonly nodeOptions?: Http1NodeOptions | (() => Http1NodeOptions);
}

export type ConnectTransportOptions = TransportOptions & {
  /** Sends RPCs without side effects as HTTP GET. Default false. */
  readonly useHttpGet?: boolean;
};

/** What Connect's protocol implementations take, all defaults filled in. */
export interface ProtocolOptions {
  readonly baseUrl: string;
  readonly useBinaryFormat: boolean;
  readonly interceptors: Interceptor[];
  readonly acceptCompression: Compression[];
  readonly sendCompression: Compression | null;
  readonly compressMinBytes: number;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly useHttpGet: boolean;
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
  readonly defaultTimeoutMs?: number;
}

/** Checks what both protocol and channel do not. Throws a `TypeError` or `RangeError` that names the option. */
export function protocolOptions(options: ConnectTransportOptions): ProtocolOptions {
  checkUnsupported(options);
  const { jsonOptions, binaryOptions, defaultTimeoutMs } = options;
  return {
    baseUrl: parseTarget(options.baseUrl).text,
    useBinaryFormat: options.useBinaryFormat ?? true,
    interceptors: options.interceptors ?? [],
    acceptCompression: options.acceptCompression ?? [compressionGzip, compressionBrotli],
    sendCompression: options.sendCompression ?? null,
    compressMinBytes: bytesOption("compressMinBytes", options.compressMinBytes ?? 1_024, 0),
    readMaxBytes: bytesOption("readMaxBytes", options.readMaxBytes ?? maxBytes, 1),
    writeMaxBytes: bytesOption("writeMaxBytes", options.writeMaxBytes ?? maxBytes, 1),
    useHttpGet: options.useHttpGet ?? false,
    ...(jsonOptions === undefined ? {} : { jsonOptions }),
    ...(binaryOptions === undefined ? {} : { binaryOptions }),
    ...(defaultTimeoutMs === undefined
      ? {}
      : { defaultTimeoutMs: durationOption("defaultTimeoutMs", defaultTimeoutMs) }),
  };
}

/** The largest length that an envelope can state. */
const maxBytes = 0xffffffff;

function bytesOption(name: string, value: number, min: number): number {
  if (!Number.isInteger(value) || value < min || value > maxBytes) {
    throw new RangeError(`${name}: expected an integer from ${min} to ${maxBytes}, got ${String(value)}`);
  }
  return value;
}

/** Options of node:http2 that have no meaning here. */
const unsupportedNodeOptions = [
  "maxDeflateDynamicTableSize",
  "maxHeaderListPairs",
  "maxOutstandingPings",
  "maxReservedRemoteStreams",
  "maxSendHeaderBlockLength",
  "maxSessionMemory",
  "maxSettings",
  "paddingStrategy",
  "peerMaxConcurrentStreams",
  "remoteCustomSettings",
  "settings",
  "unknownProtocolTimeout",
];

const pingOptions = ["pingIntervalMs", "pingIdleConnection", "pingTimeoutMs"];

/** Options of channels that transports hand on as they are. */
export const sharedOptions: readonly (keyof ChannelOptions & keyof CommonOptions)[] = [
  "resolver",
  "subset",
  "policy",
  "locality",
  "slowStart",
  "outlierDetection",
  "connectTimeoutMs",
  "maxConnectionsPerEndpoint",
  "waitForReady",
  "drainTimeoutMs",
  "retryBudget",
];

const channelOptions = [...sharedOptions, "nodeOptions", "healthCheck", ...pingOptions, "idleConnectionTimeoutMs"];

const ownOptions = [
  "baseUrl",
  "httpVersion",
  "channel",
  "retry",
  "hedging",
  "useBinaryFormat",
  "interceptors",
  "jsonOptions",
  "binaryOptions",
  "acceptCompression",
  "sendCompression",
  "compressMinBytes",
  "readMaxBytes",
  "writeMaxBytes",
  "defaultTimeoutMs",
  "useHttpGet",
];

/** gRPC's own: throws a `TypeError` where the transport would speak HTTP/1.1. */
export function requireHttp2(options: TransportOptions): void {
  if (options.httpVersion !== "1.1" && !(options.channel && http1Channels.has(options.channel))) return;
  const instead = "use createConnectTransport or createGrpcWebTransport for HTTP/1.1";
  throw new TypeError(`httpVersion: gRPC needs "2", as its status is in trailers; ${instead}`);
}

function checkUnsupported(options: TransportOptions): void {
  if (isGiven(options, "sessionManager")) {
    const instead = "leave it out; to share connections pass the channel of another transport as channel";
    throw new TypeError(`sessionManager is not supported: ${instead}`);
  }
  const names = Object.keys(options).filter((name) => isGiven(options, name));
  checkKeys("a transport", Object.fromEntries(names.map((name) => [name, true])), [...ownOptions, ...channelOptions]);
  if (options.retryBudget !== undefined) checkKeys("retryBudget", options.retryBudget, ["ratio", "minPerSecond"]);
  if (isGiven(options, "httpVersion") && options.httpVersion !== "2" && options.httpVersion !== "1.1") {
    throw new TypeError(`httpVersion: expected "1.1" or "2", got ${JSON.stringify(options["httpVersion"])}`);
  }
  const ping = pingOptions.find((name) => isGiven(options, name));
  if (options.httpVersion === "1.1" && ping !== undefined) {
    throw new TypeError(`${ping} with httpVersion "1.1": leave it out; HTTP/1.1 has no pings`);
  }
  if (options.httpVersion === "1.1" && isGiven(options, "maxConnectionsPerEndpoint")) {
    const instead = "leave it out; with HTTP/1.1 the agent's maxSockets says it";
    throw new TypeError(`maxConnectionsPerEndpoint with httpVersion "1.1": ${instead}`);
  }
  for (const name of ["resolver", "policy"] as const) {
    const example = name === "policy" ? "roundRobin()" : "dns()";
    if (isGiven(options, name) && typeof options[name] !== "function") {
      throw new TypeError(`${name}: expected a function such as ${example}, got ${JSON.stringify(options[name])}`);
    }
  }
  if (options.nodeOptions !== undefined && typeof options.nodeOptions !== "function") {
    const name = unsupportedNodeOptions.find((each) => isGiven(options.nodeOptions ?? {}, each));
    if (name !== undefined) {
      throw new TypeError(`nodeOptions.${name} is not supported: leave it out; it tunes a library that is not used`);
    }
  }
  if (options.channel === undefined) return;
  const extra = channelOptions.find((name) => isGiven(options, name));
  if (extra !== undefined) throw new TypeError(`${extra} with channel: give it to the transport that made the channel`);
  const version = http1Channels.has(options.channel) ? "1.1" : "2";
  if (isGiven(options, "httpVersion") && options.httpVersion !== version) {
    throw new TypeError(
      `httpVersion with channel: expected "${version}" as the channel's, got "${options.httpVersion}"`,
    );
  }
  const { scheme, authority } = options.channel.target;
  const own = parseTarget(options.baseUrl);
  if (own.scheme !== scheme || own.authority !== authority) {
    throw new TypeError(`baseUrl with channel: expected ${scheme}://${authority} as the channel's, got ${own.text}`);
  }
}

function isGiven(options: object, name: string): boolean {
  return (options as Readonly<Record<string, unknown>>)[name] !== undefined;
}
