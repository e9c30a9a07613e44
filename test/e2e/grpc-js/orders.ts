import type { OrderServiceServer } from "../../../examples/grpc-js/src/gen/orders/v1/orders.ts";

/** The service of the README's server. */
export const orders: OrderServiceServer = {
  getOrder: ({ request: { id } }, respond) => respond(null, { id, pod: "pod-1" }),
};
