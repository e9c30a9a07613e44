import type { ClientName } from "../cells.ts";
import type { ClientFactory } from "./charge.ts";

/** Each imports the libraries of this client, and no others. */
export const factories: Readonly<Record<ClientName, () => Promise<ClientFactory>>> = {
  "evenkeel-connect": async () => (await import("./evenkeel.ts")).openConnect,
  "evenkeel-grpc": async () => (await import("./evenkeel.ts")).openGrpc,
  "evenkeel-connect-h1": async () => (await import("./evenkeel.ts")).openConnectH1,
  "evenkeel-grpc-js": async () => (await import("./evenkeel-grpc-js.ts")).open,
  async "grpc-js-rr"() {
    process.env["GRPC_NODE_USE_ALTERNATIVE_RESOLVER"] = "true"; // without it the DNS server of a target is ignored
    return (await import("./grpc-js.ts")).open;
  },
  "connect-node-grpc": async () => (await import("./connect-node.ts")).openGrpc,
  "connect-node-h1": async () => (await import("./connect-node.ts")).openConnectH1,
};
