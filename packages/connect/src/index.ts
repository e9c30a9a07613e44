export { createConnectTransport } from "./connect-transport.ts";
export { createGrpcTransport } from "./grpc-transport.ts";
export { createGrpcWebTransport } from "./grpc-web-transport.ts";
export type { BalancedTransport } from "./transport.ts";
export type { ConnectTransportOptions, TransportOptions } from "./options.ts";
export type { HedgingOptions, HedgingPolicy, RetryOptions, RetryPolicy } from "./resending-options.ts";
export type { HealthCheck, HealthPollCheck, HealthWatchCheck } from "@evenkeel/health";
export type { Http1NodeOptions } from "./http1/node-options.ts";
export { compressionBrotli, compressionGzip } from "./compression.ts";
