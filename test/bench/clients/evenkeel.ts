import { createConnectTransport, createGrpcTransport, type TransportOptions } from "@evenkeel/connect";
import { roundRobin, staticEndpoints } from "@evenkeel/core";
import { hosts } from "../endpoints.ts";
import type { ClientJob } from "../messages.ts";
import type { Caller } from "./client.ts";
import { connectCaller, interceptor } from "./connect-caller.ts";

export function openGrpc(job: ClientJob): Caller {
  return connectCaller(job, [createGrpcTransport(optionsFor(job))]);
}

export function openConnect(job: ClientJob): Caller {
  return connectCaller(job, [createConnectTransport(optionsFor(job))]);
}

function optionsFor({ port, operation }: ClientJob): TransportOptions {
  return {
    baseUrl: `http://bench.test:${port}`,
    resolver: staticEndpoints(hosts.map((host) => `${host}:${port}`)),
    policy: roundRobin(),
    interceptors: operation === "real" ? [interceptor] : [],
  };
}
