import { register } from "@evenkeel/grpc-js";
import { credentials } from "@grpc/grpc-js";
import { OrderServiceClient } from "./gen/orders/v1/orders.ts";
import type { OrderClient } from "./load.ts";

/** With code that was generated, here by ts-proto. */
export function generatedClient(): OrderClient {
  register();
  const client = new OrderServiceClient("kubernetes:///orders:grpc", credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ least_request: {} }] }),
  });
  return {
    getOrder: (id) =>
      new Promise((resolve, reject) => {
        client.getOrder({ id }, (error, response) => (error ? reject(error) : resolve(response.pod)));
      }),
    close: () => client.close(),
  };
}
