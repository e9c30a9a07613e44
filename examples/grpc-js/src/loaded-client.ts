import { fileURLToPath } from "node:url";
import { register } from "@evenkeel/grpc-js";
import { type Client, credentials, loadPackageDefinition, type requestCallback } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { OrderClient } from "./load.ts";

/** What the file defines. `proto-loader-gen-types` can write such types. */
interface Definitions {
  readonly orders: {
    readonly v1: { readonly OrderService: new (...args: ConstructorParameters<typeof Client>) => Orders };
  };
}

interface Orders extends Client {
  getOrder(request: { readonly id: string }, callback: requestCallback<{ readonly pod: string }>): unknown;
}

const file = fileURLToPath(new URL("../../../proto/orders/v1/orders.proto", import.meta.url));

/** With @grpc/proto-loader, which reads the file as the program runs. */
export function loadedClient(): OrderClient {
  register();
  const { orders } = loadPackageDefinition(loadSync(file)) as unknown as Definitions;
  const client = new orders.v1.OrderService("kubernetes:///orders:grpc", credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ least_request: {} }] }),
  });
  return {
    getOrder: (id) =>
      new Promise((resolve, reject) => {
        client.getOrder({ id }, (error, response) => (response ? resolve(response.pod) : reject(error)));
      }),
    close: () => client.close(),
  };
}
