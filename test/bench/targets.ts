import type { ClientName } from "./clients/table.ts";

/** One figure of a client against the same figure of another. */
export interface Target {
  readonly case: string;
  readonly client: ClientName;
  readonly against: ClientName;
  readonly metric: "cpuUs" | "p50Us" | "rate";
  readonly atMost?: number;
  readonly atLeast?: number;
}

export const metricNames: Readonly<Record<Target["metric"], string>> = {
  cpuUs: "CPU",
  p50Us: "p50",
  rate: "throughput",
};

export const targets: readonly Target[] = [
  { case: "unary-1", client: "evenkeel-grpc", against: "grpc-js-rr", metric: "p50Us", atMost: 1 },
  { case: "unary-64", client: "evenkeel-grpc", against: "grpc-js-rr", metric: "cpuUs", atMost: 0.25 },
  { case: "unary-64", client: "evenkeel-grpc", against: "connect-node-grpc", metric: "cpuUs", atMost: 0.12 },
  { case: "unary-64-real", client: "evenkeel-grpc", against: "grpc-js-rr", metric: "cpuUs", atMost: 0.4 },
  { case: "stream-10k", client: "evenkeel-grpc", against: "grpc-js-rr", metric: "cpuUs", atMost: 0.33 },
  { case: "download-1mib", client: "evenkeel-grpc", against: "connect-node-grpc", metric: "cpuUs", atMost: 0.5 },
  { case: "download-1mib", client: "evenkeel-connect", against: "connect-node-connect", metric: "cpuUs", atMost: 0.5 },
  { case: "download-10ms", client: "evenkeel-grpc", against: "connect-node-grpc", metric: "rate", atLeast: 10 },
  { case: "download-10ms", client: "evenkeel-connect", against: "connect-node-connect", metric: "rate", atLeast: 10 },
  { case: "grpc-js", client: "evenkeel-grpc-js", against: "grpc-js-rr", metric: "cpuUs", atMost: 1.1 },
];
