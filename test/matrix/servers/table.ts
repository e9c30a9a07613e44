import type { ServerName } from "../cells.ts";
import type { Content, PodServer } from "./pod-server.ts";

/** Each imports the libraries of this server, and no others. */
export const openers: Readonly<Record<ServerName, (content: Content) => Promise<PodServer>>> = {
  "connect-node-h2c": async (content) => (await import("./connect-node.ts")).openH2c(content),
  "connect-node-tls": async (content) => (await import("./connect-node.ts")).openTls(content),
  "connect-node-h1": async (content) => (await import("./connect-node.ts")).openH1(content),
  "fastify-h2c": async (content) => (await import("./fastify.ts")).openH2c(content),
  "fastify-h1": async (content) => (await import("./fastify.ts")).openH1(content),
  "grpc-js-h2c": async (content) => (await import("./grpc-js.ts")).openH2c(content),
  "grpc-js-tls": async (content) => (await import("./grpc-js.ts")).openTls(content),
};
