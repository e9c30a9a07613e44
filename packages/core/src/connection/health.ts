/** What a health check last said of a connection. */
export interface ConnectionHealth {
  /** `pending`: nothing was said yet. Only a `healthy` connection is picked; one that is not stays open. */
  readonly state: "pending" | "healthy" | "unhealthy";
  /** What was seen, such as `service "shop.OrderService" is NOT_SERVING`. */
  readonly reason: string;
}
