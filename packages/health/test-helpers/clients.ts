import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import * as connectNode from "@connectrpc/connect-node";
import * as evenkeel from "@evenkeel/connect";
import { staticEndpoints } from "@evenkeel/core";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthListRequestSchema,
  HealthListResponseSchema,
} from "../src/gen/grpc/health/v1/health_pb.ts";

/** What each kind of client can ask. Failures have a `code`. */
export interface HealthClient {
  check(service: string): Promise<number>;
  list(): Promise<Record<string, number>>;
  watch(service: string, signal?: AbortSignal): AsyncIterable<number>;
  close(): Promise<void> | void;
}

function overTransport(transport: Transport, close: () => Promise<void> | void): HealthClient {
  const client = createClient(Health, transport);
  return {
    check: async (service) => (await client.check({ service })).status,
    async list() {
      const { statuses } = await client.list({});
      return Object.fromEntries(Object.entries(statuses).map(([service, { status }]) => [service, status]));
    },
    async *watch(service, signal) {
      const options: CallOptions = signal === undefined ? {} : { signal };
      for await (const { status } of client.watch({ service }, options)) yield status;
    },
    close,
  };
}

/** Definitions by hand, as of one who generates nothing. */
function overGrpcJs(port: number): HealthClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const request = (service: string) => ({ $typeName: "grpc.health.v1.HealthCheckRequest" as const, service });
  const write = (message: ReturnType<typeof request>) => Buffer.from(toBinary(HealthCheckRequestSchema, message));
  const read = (bytes: Uint8Array) => fromBinary(HealthCheckResponseSchema, bytes).status;
  return {
    check: (service) =>
      new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, status?: number) => (error ? reject(error) : resolve(status ?? -1));
        client.makeUnaryRequest("/grpc.health.v1.Health/Check", write, read, request(service), done);
      }),
    list: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          "/grpc.health.v1.Health/List",
          () => Buffer.from(toBinary(HealthListRequestSchema, { $typeName: "grpc.health.v1.HealthListRequest" })),
          (bytes: Uint8Array) => fromBinary(HealthListResponseSchema, bytes).statuses,
          {},
          (error, statuses = {}) => {
            if (error) reject(error);
            resolve(Object.fromEntries(Object.entries(statuses).map(([service, { status }]) => [service, status])));
          },
        );
      }),
    async *watch(service, signal) {
      const call = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", write, read, request(service));
      signal?.addEventListener("abort", () => call.cancel());
      yield* call;
    },
    close: () => client.close(),
  };
}

const baseUrl = (port: number): string => `http://127.0.0.1:${port}`;

export const clients: Readonly<Record<string, (port: number) => HealthClient>> = {
  "connect-node's gRPC client": (port) => {
    const sessionManager = new connectNode.Http2SessionManager(baseUrl(port));
    sessionManager.connect().catch(() => {});
    const transport = connectNode.createGrpcTransport({ baseUrl: baseUrl(port), sessionManager });
    return overTransport(transport, () => sessionManager.abort());
  },
  "grpc-js": overGrpcJs,
  "our gRPC client": (port) => {
    const transport = evenkeel.createGrpcTransport({
      baseUrl: baseUrl(port),
      resolver: staticEndpoints([`127.0.0.1:${port}`]),
    });
    return overTransport(transport, () => transport.close());
  },
  "our Connect client": (port) => {
    const transport = evenkeel.createConnectTransport({
      baseUrl: baseUrl(port),
      resolver: staticEndpoints([`127.0.0.1:${port}`]),
    });
    return overTransport(transport, () => transport.close());
  },
};
