import type { OrderClient } from "@evenkeel/example-grpc-js/rollout";
import { register } from "@evenkeel/grpc-js";
import { ChannelCredentials, createChannel, createClient } from "nice-grpc";
import { OrderServiceDefinition } from "./gen/orders/v1/orders.ts";

export function orderClient(): OrderClient {
  register();
  const channel = createChannel("kubernetes:///orders:grpc", ChannelCredentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ least_request: {} }] }),
  });
  const client = createClient(OrderServiceDefinition, channel);
  return {
    async getOrder(id) {
      const { pod } = await client.getOrder({ id });
      return pod;
    },
    close: () => channel.close(),
  };
}
