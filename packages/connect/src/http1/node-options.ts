import type { Agent } from "node:http";
import type { RequestOptions } from "node:https";

/** What the target, the resolver or each RPC decides, and where it is said instead. */
const decidedElsewhere = {
  auth: "set an authorization header in an interceptor",
  defaultPort: "the resolver decides it",
  headers: "set headers in an interceptor",
  host: "baseUrl and resolver decide it",
  hostname: "baseUrl and resolver decide it",
  method: "the protocol decides it",
  path: "baseUrl decides it",
  port: "the resolver decides it",
  protocol: "baseUrl decides it",
  setDefaultHeaders: "set headers in an interceptor",
  setHost: "baseUrl decides it",
  signal: "pass it to the call",
  timeout: "pass timeoutMs to the call, or defaultTimeoutMs to the transport",
  uniqueHeaders: "set headers in an interceptor",
} as const;

/**
 * What `http.request` and `https.request` take, but for what the transport decides. Without an `agent` every endpoint
 * has a keep-alive agent of its own; `false` closes a socket after its request. A given one is used as it is, for all
 * endpoints, and never destroyed.
 */
export interface Http1NodeOptions
  extends Omit<RequestOptions, keyof typeof decidedElsewhere | "_defaultAgent" | "agent"> {
  readonly agent?: Agent | boolean | null | undefined;
}

/** Throws a `TypeError` that names the option that has no meaning here, and what to write instead. */
export function checkNodeOptions(options: Http1NodeOptions): void {
  for (const [name, instead] of Object.entries(decidedElsewhere)) {
    if ((options as Readonly<Record<string, unknown>>)[name] === undefined) continue;
    throw new TypeError(`nodeOptions.${name} is not supported with HTTP/1.1: leave it out; ${instead}`);
  }
  if (options.createConnection !== undefined && isAgent(options.agent)) {
    throw new TypeError("nodeOptions.createConnection with agent: node asks only the agent; let the agent have it");
  }
}

export function isAgent(agent: Http1NodeOptions["agent"]): agent is Agent {
  return typeof agent === "object" && agent !== null;
}
