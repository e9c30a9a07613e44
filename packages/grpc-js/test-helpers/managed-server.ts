import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { cert, key } from "../../server/test-helpers/certificate.ts";
import type { GrpcServerLifecycle } from "../src/serving/grpc-server-lifecycle.ts";
import { type ManageGrpcServerOptions, manageGrpcServer } from "../src/serving/manage-grpc-server.ts";

const bytes = (value: Buffer): Buffer => value;
const codec = {
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};

/** Bytes in, bytes out. */
export const testService = {
  unary: { path: "/test.Test/Unary", requestStream: false, responseStream: false, ...codec },
  stream: { path: "/test.Test/Stream", requestStream: false, responseStream: true, ...codec },
} satisfies ServiceDefinition;

/** @param mutual whether clients need a certificate */
export const serverCredentials = (secure: boolean, mutual = false): ServerCredentials =>
  secure
    ? ServerCredentials.createSsl(
        Buffer.from(cert),
        [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }],
        mutual,
      )
    : ServerCredentials.createInsecure();

/** One whose unary RPC answers with what it got. */
export function createServer(options?: ServerOptions): Server {
  const server = new Server(options);
  server.addService(testService, {
    unary: (call: { request: Buffer }, callback: (error: null, response: Buffer) => void) =>
      callback(null, call.request),
    stream: () => {},
  });
  return server;
}

export interface BindOptions {
  readonly address?: string;
  readonly secure?: boolean;
  readonly mutual?: boolean;
}

/** Settles as the callback of `bindAsync()` says. */
export function bind(
  server: Pick<Server, "bindAsync">,
  { address = "127.0.0.1:0", secure = false, mutual = false }: BindOptions = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, serverCredentials(secure, mutual), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

/** A client with its own connection and, over TLS, a certificate. */
export function createClient(port: number, secure: boolean, atEnd: (end: () => void) => void): Client {
  const [root, privateKey] = [Buffer.from(cert), Buffer.from(key)];
  const client = new Client(
    `127.0.0.1:${port}`,
    secure ? credentials.createSsl(root, privateKey, root) : credentials.createInsecure(),
    { "grpc.use_local_subchannel_pool": 1, "grpc.ssl_target_name_override": "localhost" },
  );
  atEnd(() => client.close());
  return client;
}

/** An RPC to the unary method. */
export function callUnary(client: Client, request = "hello"): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      testService.unary.path,
      bytes,
      bytes,
      Buffer.from(request),
      (error: ServiceError | null, response?: Buffer) => (error === null ? resolve(String(response)) : reject(error)),
    );
  });
}

/** An open server stream. */
export interface OpenStream {
  readonly messages: readonly string[];
  /** Of the status at its end. */
  readonly code: Promise<number>;
  cancel(): void;
}

/** An RPC to the server-streaming method. */
export function openStream(client: Client): OpenStream {
  const call = client.makeServerStreamRequest(testService.stream.path, bytes, bytes, Buffer.of());
  const messages: string[] = [];
  call.on("data", (message: Buffer) => messages.push(String(message)));
  call.on("error", () => {});
  const code = new Promise<number>((resolve) => call.on("status", (status) => resolve(status.code)));
  return { messages, code, cancel: () => call.cancel() };
}

/** Replaces the handlers by some whose RPCs the test ends; streams say "begun" first. */
export function holdRpcs(server: Server): { readonly streams: StreamCall[]; readonly unary: (() => void)[] } {
  const streams: StreamCall[] = [];
  const unary: (() => void)[] = [];
  server.removeService(testService);
  server.addService(testService, {
    unary(call: { request: Buffer }, callback: (error: null, response: Buffer) => void) {
      unary.push(() => callback(null, call.request));
    },
    stream(call: StreamCall) {
      streams.push(call);
      call.write(Buffer.from("begun"));
    },
  });
  return { streams, unary };
}

type StreamCall = ServerWritableStream<Buffer, Buffer>;

/** Manages a server until the test ends; a shutdown does not wait at first. */
export function manage(server: Server, options: ManageGrpcServerOptions = {}): GrpcServerLifecycle {
  const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0, ...options });
  onTestFinished(() => lifecycle.shutdown({ force: true }).catch(() => {}));
  return lifecycle;
}

/** A server that is managed, and bound nowhere yet. */
export function createManaged(
  options: ManageGrpcServerOptions = {},
  serverOptions: ServerOptions = {},
): { readonly server: Server; readonly lifecycle: GrpcServerLifecycle } {
  const server = createServer(serverOptions);
  return { server, lifecycle: manage(server, options) };
}
