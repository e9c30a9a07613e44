import { describeEndpoint } from "../endpoint/endpoint.ts";
import { messageOf } from "../errors.ts";
import { type Resolution, resolutionError } from "../resolver/resolution.ts";
import type { Member } from "./member.ts";

/** What is known when an RPC gets no connection. */
export interface Unavailability {
  /** The target as it was given. */
  readonly target: string;
  readonly resolution: Resolution;
  readonly members: readonly Member[];
  /** The number of ready connections: none of them has room. */
  readonly ready: number;
}

/** Why there is no connection. */
export function describeUnavailability({ target, resolution, members, ready }: Unavailability): string {
  if (resolution.kind === "pending") return `${target}: its endpoints are not known yet`;
  if (resolution.kind === "failed") {
    return `${target}: its endpoints could not be learnt: ${messageOf(resolution.error)}`;
  }
  const stale = resolution.error === undefined ? "" : ` (and the resolver fails: ${messageOf(resolution.error)})`;
  if (members.length === 0) {
    const found = resolution.size === 0 ? "it has no endpoints" : `none of its ${resolution.size} endpoints is ready`;
    return `${target}: ${found}${stale}`;
  }
  if (ready > 0) return `${target}: all ${ready} connections are at their limit of concurrent streams${stale}`;
  const error = newestError(members);
  const last = error === undefined ? "no dial has failed yet" : `last error: ${messageOf(error)}`;
  const names = members.slice(0, 3).map(({ endpoint }) => describeEndpoint(endpoint));
  const more = members.length > 3 ? ` and ${members.length - 3} more` : "";
  const unhealthy = members.filter(({ connection }) => connection?.health?.state === "unhealthy").length;
  const lacking = unhealthy === 0 ? "ready" : unhealthy === members.length ? "healthy" : "ready and healthy";
  return `${target}: no connection to any of ${names.join(", ")}${more} is ${lacking}; ${last}${stale}`;
}

/** The error to blame: the newest of a connection, else the resolver's. */
export function causeOfUnavailability({ resolution, members }: Unavailability): Error | undefined {
  return newestError(members) ?? resolutionError(resolution);
}

function newestError(members: readonly Member[]): Error | undefined {
  let newest: Member | undefined;
  for (const member of members) {
    if (member.lastError !== undefined && member.failedAt >= (newest?.failedAt ?? Number.NEGATIVE_INFINITY)) {
      newest = member;
    }
  }
  return newest?.lastError;
}
