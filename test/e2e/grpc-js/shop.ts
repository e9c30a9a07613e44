import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { register } from "@evenkeel/grpc-js";
import { inCluster } from "@evenkeel/kubernetes";
import { type Cluster, startCluster } from "@evenkeel/testing";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { ChargeRequestSchema, ChargeResponseSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";

/** Pods, and a client of grpc-js that finds them by their EndpointSlices. */
export interface Shop {
  readonly cluster: Cluster;
  /** Sends a charge. Resolves to the pod that answered. */
  charge(headers?: Readonly<Record<string, string>>): Promise<string>;
}

const path = `/${DemoService.typeName}/${DemoService.method.charge.name}`;
const request = Buffer.from(toBinary(ChargeRequestSchema, create(ChargeRequestSchema, { work: { delayMs: 2 } })));

/** Opens a shop with `size` pods, whose client balances by a policy of the service config. */
export async function openShop(size: number, policy: string, json: unknown = {}): Promise<Shop> {
  const cluster = await startCluster({ pod: { module: new URL(import.meta.resolve("@evenkeel/demo/pod")) }, size });
  onTestFinished(() => cluster.close());
  const api = await cluster.startApiServer();
  register({ kubernetes: { apiServer: inCluster(api.serviceAccount) } });
  const client = new Client(`kubernetes:///${new URL(cluster.url).host}`, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [policy]: json }] }),
  });
  onTestFinished(() => client.close());
  return {
    cluster,
    charge: (headers = {}) =>
      new Promise((resolve, reject) => {
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
        client.makeUnaryRequest(
          path,
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => fromBinary(ChargeResponseSchema, bytes),
          request,
          metadata,
          { deadline: Date.now() + 10_000 },
          (error, response) => (error === null ? resolve(response?.pod ?? "") : reject(error)),
        );
      }),
  };
}
