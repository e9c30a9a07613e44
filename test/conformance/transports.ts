import { createRegistry } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { BalancedTransport } from "@evenkeel/connect";
import type { ClientCompatRequest } from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";
import {
  Codec,
  HTTPVersion,
  Protocol,
  Compression as RequestedCompression,
} from "./gen/proto/connectrpc/conformance/v1/config_pb.ts";
import { file_connectrpc_conformance_v1_service } from "./gen/proto/connectrpc/conformance/v1/service_pb.ts";

/** What `@evenkeel/connect` and `@connectrpc/connect-node` both export, in so far as it is used here. */
export interface Library {
  createConnectTransport(options: Options): ClosableTransport;
  createGrpcTransport(options: Options): ClosableTransport;
  createGrpcWebTransport(options: Options): ClosableTransport;
  readonly compressionGzip: Compression;
  readonly compressionBrotli: Compression;
}

/** The reference has none of these: its connections keep no process alive. */
export interface ClosableTransport extends Transport {
  readonly channel?: Channel;
  close?(): Promise<void>;
  destroy?(error?: Error): void;
}

type Channel = BalancedTransport["channel"];

interface Options {
  baseUrl: string;
  httpVersion: "1.1" | "2";
  channel?: Channel;
  nodeOptions?: { ca?: Buffer; cert?: Buffer; key?: Buffer };
  useBinaryFormat: boolean;
  acceptCompression: Compression[];
  sendCompression?: Compression;
  compressMinBytes: number;
  readMaxBytes?: number;
  jsonOptions: { registry: ReturnType<typeof createRegistry> };
  useHttpGet: boolean;
}

/**
 * A transport as the request wants it, on the connections of `channel` if given. Throws for what no client on Node
 * has.
 */
export function createTransport(library: Library, request: ClientCompatRequest, channel?: Channel): ClosableTransport {
  const options = {
    ...toOptions(library, request),
    ...(channel ? { channel } : { nodeOptions: toNodeOptions(request) }),
  };
  switch (request.protocol) {
    case Protocol.CONNECT:
      return library.createConnectTransport(options);
    case Protocol.GRPC:
      return library.createGrpcTransport(options);
    case Protocol.GRPC_WEB:
      return library.createGrpcWebTransport(options);
    default:
      throw new RangeError(`protocol ${request.protocol} is not supported`);
  }
}

function toOptions(library: Library, request: ClientCompatRequest): Options {
  const { host, port, serverTlsCert, messageReceiveLimit } = request;
  const compression = toCompression(library, request.compression);
  return {
    baseUrl: `${serverTlsCert.length > 0 ? "https" : "http"}://${host}:${port}`,
    httpVersion: toHttpVersion(request.httpVersion),
    useBinaryFormat: request.codec === Codec.PROTO,
    acceptCompression: compression === undefined ? [] : [compression],
    ...(compression === undefined ? {} : { sendCompression: compression }),
    compressMinBytes: 0,
    ...(messageReceiveLimit === 0 ? {} : { readMaxBytes: messageReceiveLimit }),
    jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) }, // payloads hold requests as Any
    useHttpGet: request.useGetHttpMethod,
  };
}

function toNodeOptions({ serverTlsCert, clientTlsCreds }: ClientCompatRequest): NonNullable<Options["nodeOptions"]> {
  return {
    ...(serverTlsCert.length > 0 ? { ca: Buffer.from(serverTlsCert) } : {}),
    ...(clientTlsCreds ? { cert: Buffer.from(clientTlsCreds.cert), key: Buffer.from(clientTlsCreds.key) } : {}),
  };
}

function toHttpVersion(version: ClientCompatRequest["httpVersion"]): Options["httpVersion"] {
  if (version === HTTPVersion.HTTP_VERSION_1) return "1.1";
  if (version === HTTPVersion.HTTP_VERSION_2) return "2";
  throw new RangeError(`HTTP version ${version} is not supported`);
}

function toCompression(library: Library, name: ClientCompatRequest["compression"]): Compression | undefined {
  switch (name) {
    case RequestedCompression.UNSPECIFIED:
    case RequestedCompression.IDENTITY:
      return undefined;
    case RequestedCompression.GZIP:
      return library.compressionGzip;
    case RequestedCompression.BR:
      return library.compressionBrotli;
    default:
      throw new RangeError(`compression ${name} is not supported`);
  }
}
