import { createConnectTransport, createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { hosts } from "../endpoints.ts";
import type { ClientJob } from "../messages.ts";
import type { Caller } from "./client.ts";
import { connectCaller, interceptor } from "./connect-caller.ts";

// It has no balancing: a transport for each endpoint, in turn.

export function openGrpc(job: ClientJob): Caller {
  return connectCaller(
    job,
    optionsFor(job).map((options) => createGrpcTransport(options)),
  );
}

export function openConnect(job: ClientJob): Caller {
  return connectCaller(
    job,
    optionsFor(job).map((options) => createConnectTransport({ httpVersion: "2", ...options })),
  );
}

function optionsFor({ port, operation }: ClientJob): Pick<GrpcTransportOptions, "baseUrl" | "interceptors">[] {
  return hosts.map((host) => ({
    baseUrl: `http://${host}:${port}`,
    interceptors: operation === "real" ? [interceptor] : [],
  }));
}
