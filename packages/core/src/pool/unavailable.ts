import { describeEndpoint } from "../endpoint/endpoint.ts";
import { messageOf } from "../errors.ts";
import { type Resolution, resolutionError } from "../resolver/resolution.ts";
import type { Subchannel } from "./subchannel.ts";

/** What is known when an RPC gets no connection. */
export interface Unavailability {
  /** The target as it was given. */
  readonly target: string;
  readonly resolution: Resolution;
  readonly subchannels: readonly Subchannel[];
  /** The number of ready connections: none of them has room. */
  readonly ready: number;
}

/** Why there is no connection. */
export function describeUnavailability({ target, resolution, subchannels, ready }: Unavailability): string {
  if (resolution.kind === "pending") return `${target}: its endpoints are not known yet`;
  if (resolution.kind === "failed") {
    return `${target}: its endpoints could not be learnt: ${messageOf(resolution.error)}`;
  }
  const stale = resolution.error === undefined ? "" : ` (and the resolver fails: ${messageOf(resolution.error)})`;
  if (subchannels.length === 0) {
    const found = resolution.size === 0 ? "it has no endpoints" : `none of its ${resolution.size} endpoints is ready`;
    return `${target}: ${found}${stale}`;
  }
  if (ready > 0) return `${target}: all ${ready} connections are at their limit of concurrent streams${stale}`;
  const error = newestError(subchannels);
  const last = error === undefined ? "no dial has failed yet" : `last error: ${messageOf(error)}`;
  const names = subchannels.slice(0, 3).map(({ endpoint }) => describeEndpoint(endpoint));
  const more = subchannels.length > 3 ? ` and ${subchannels.length - 3} more` : "";
  const unhealthy = subchannels.filter(({ connections }) =>
    connections.some(({ health }) => health?.state === "unhealthy"),
  ).length;
  const lacking = unhealthy === 0 ? "ready" : unhealthy === subchannels.length ? "healthy" : "ready and healthy";
  return `${target}: no connection to any of ${names.join(", ")}${more} is ${lacking}; ${last}${stale}`;
}

/** The error to blame: the newest of a connection, else the resolver's. */
export function causeOfUnavailability({ resolution, subchannels }: Unavailability): Error | undefined {
  return newestError(subchannels) ?? resolutionError(resolution);
}

function newestError(subchannels: readonly Subchannel[]): Error | undefined {
  let newest: Subchannel | undefined;
  for (const subchannel of subchannels) {
    if (subchannel.lastError !== undefined && subchannel.failedAt >= (newest?.failedAt ?? Number.NEGATIVE_INFINITY)) {
      newest = subchannel;
    }
  }
  return newest?.lastError;
}
