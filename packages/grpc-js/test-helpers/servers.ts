import {
  type Client,
  type ClientOptions,
  credentials,
  type handleUnaryCall,
  Metadata,
  type MetadataOptions,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

const asBuffer = (message: Buffer): Buffer => message;

const definition: ServiceDefinition = {
  echo: {
    path: "/test.v1.EchoService/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: asBuffer,
    requestDeserialize: asBuffer,
    responseSerialize: asBuffer,
    responseDeserialize: asBuffer,
  },
};

const EchoClient = makeGenericClientConstructor(definition, "EchoService");

/** A server of grpc-js on a port of its own, which the test ends. */
export interface EchoServer {
  readonly address: string;
  /** RPCs that it got. */
  calls: number;
  /** How long it takes to answer, in milliseconds; `undefined`: it fails at once. */
  delayMs: number | undefined;
  close(): void;
}

export async function startEchoServer(delayMs: number | undefined = 0): Promise<EchoServer> {
  const server = new Server();
  const port = await new Promise<number>((resolve, reject) => {
    const echo: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      started.calls++;
      const { delayMs } = started;
      if (delayMs === undefined) callback({ code: 13, details: "out of order" });
      else if (delayMs === 0) callback(null, call.request);
      else setTimeout(() => callback(null, call.request), delayMs);
    };
    server.addService(definition, { echo });
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const started: EchoServer = {
    address: `127.0.0.1:${port}`,
    calls: 0,
    delayMs,
    close: () => server.forceShutdown(),
  };
  onTestFinished(() => started.close());
  return started;
}

export async function startEchoServers(...delaysMs: readonly (number | undefined)[]): Promise<EchoServer[]> {
  return Promise.all(delaysMs.map((delayMs) => startEchoServer(delayMs)));
}

export type Failure = ServiceError;

/** A client that the test ends. Sends an RPC; resolves to why it failed, `undefined`: it did not. */
export interface EchoCaller {
  readonly client: Client;
  call(headers?: Readonly<Record<string, string>>, options?: MetadataOptions): Promise<Failure | undefined>;
}

export function createEchoCaller(target: string, options: ClientOptions = {}): EchoCaller {
  const client = new EchoClient(target, credentials.createInsecure(), options);
  onTestFinished(() => client.close());
  const echo = client["echo"] as (
    request: Buffer,
    metadata: Metadata,
    options: object,
    callback: (error: Failure | null) => void,
  ) => void;
  return {
    client,
    call(headers = {}, options = {}) {
      const metadata = new Metadata(options);
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      const deadline = Date.now() + 10_000;
      return new Promise((resolve) => {
        echo.call(client, Buffer.from("hi"), metadata, { deadline }, (error) => resolve(error ?? undefined));
      });
    },
  };
}

/** Channel options with this policy. */
export function withPolicy(name: string, json: unknown = {}): ClientOptions {
  return { "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [name]: json }] }) };
}

/** The target that names these servers, for grpc-js's own resolver. */
export function ipv4Target(servers: readonly EchoServer[]): string {
  return `ipv4:${servers.map(({ address }) => address).join()}`;
}
