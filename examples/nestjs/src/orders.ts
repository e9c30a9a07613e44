import { fileURLToPath } from "node:url";
import type { Observable } from "rxjs";

// What server and client know of orders.v1.

export const ordersPackage = "orders.v1";
export const ordersProto: string = fileURLToPath(new URL("../../../proto/orders/v1/orders.proto", import.meta.url));
export const ordersClient = "ORDERS_CLIENT";

export interface GetOrderRequest {
  readonly id: string;
}

export interface GetOrderResponse {
  readonly id: string;
  /** The pod that answered. */
  readonly pod: string;
}

export interface OrderService {
  getOrder(request: GetOrderRequest): Observable<GetOrderResponse>;
}
