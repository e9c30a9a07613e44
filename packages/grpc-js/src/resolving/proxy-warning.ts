import { warnOnce } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";
import { textOf } from "./target-type.ts";

/** Where grpc-js looks for a proxy, in this order. */
const variables = ["grpc_proxy", "https_proxy", "http_proxy"];

const resolved = new WeakSet<experimental.GrpcUri>();

/**
 * Warns, once for each target, where grpc-js makes no resolver for it in this tick: it replaces a target for which the
 * environment names a proxy before any resolver is asked.
 */
export function expectResolver(uri: experimental.GrpcUri): void {
  const variable = variables.find((name) => process.env[name]);
  if (variable === undefined) return;
  process.nextTick(() => {
    if (!resolved.has(uri)) warn(textOf(uri), variable);
  });
}

export function noteResolver(uri: experimental.GrpcUri): void {
  resolved.add(uri);
}

function warn(target: string, variable: string): void {
  const message =
    `${target}: grpc-js asks the proxy of the environment's ${variable} for this target, and not evenkeel's resolver. ` +
    'Set the channel option "grpc.enable_http_proxy" to 0, or name the target\'s host in no_grpc_proxy.';
  warnOnce("EVENKEEL_PROXY", { host: target, text: target }, message);
}
