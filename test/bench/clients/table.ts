import type { Operation } from "../cases.ts";
import type { ClientFactory } from "./client.ts";

export type Protocol = "grpc" | "connect";

export const clientNames = [
  "evenkeel-grpc",
  "evenkeel-connect",
  "grpc-js-rr",
  "evenkeel-grpc-js",
  "evenkeel-grpc-js-lr",
  "connect-node-grpc",
  "connect-node-connect",
  "node-http2",
] as const;

export type ClientName = (typeof clientNames)[number];

export interface ClientEntry {
  readonly protocol: Protocol;
  /** Imports the libraries of this client, and no others. */
  readonly load: () => Promise<ClientFactory>;
  /** Why it cannot do an operation. */
  readonly lacks?: Readonly<Partial<Record<Operation, string>>>;
}

export const clients: Readonly<Record<ClientName, ClientEntry>> = {
  "evenkeel-grpc": {
    protocol: "grpc",
    load: async () => (await import("./evenkeel.ts")).openGrpc,
  },
  "evenkeel-connect": {
    protocol: "connect",
    load: async () => (await import("./evenkeel.ts")).openConnect,
  },
  "grpc-js-rr": {
    protocol: "grpc",
    load: async () => (await import("./grpc-js.ts")).open,
  },
  "evenkeel-grpc-js": {
    protocol: "grpc",
    load: async () => (await import("./evenkeel-grpc-js.ts")).openRoundRobin,
  },
  "evenkeel-grpc-js-lr": {
    protocol: "grpc",
    load: async () => (await import("./evenkeel-grpc-js.ts")).openLeastRequest,
  },
  "connect-node-grpc": {
    protocol: "grpc",
    load: async () => (await import("./connect-node.ts")).openGrpc,
  },
  "connect-node-connect": {
    protocol: "connect",
    load: async () => (await import("./connect-node.ts")).openConnect,
  },
  "node-http2": {
    protocol: "grpc",
    load: async () => (await import("./node-http2.ts")).open,
    lacks: { real: "it has no interceptors and no deadlines" },
  },
};
