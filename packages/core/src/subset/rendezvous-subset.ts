import type { Endpoint } from "../endpoint/endpoint.ts";
import { hashString } from "../hash.ts";
import { checkKeys } from "../options.ts";
import { byRank, clientIdOption, type Subset, sizeOption } from "./subset.ts";

export interface RendezvousSubsetOptions {
  /** Endpoints to connect to; all where there are fewer. 1 to 1 000 000. */
  readonly size: number;
  /**
   * Differs from client to client. Default: the environment's `POD_NAME`, which the processes of a pod share, else name
   * of the machine and number of the process.
   */
  readonly clientId?: string;
}

/**
 * The endpoints that rank highest for this client, by a hash of both (Thaler and Ravishankar, "Using Name-Based Mappings
 * to Increase Hit Rates", 1998; gRFC A68). Clients need not know of each other; the clients of an endpoint are binomially
 * distributed. An endpoint that comes or goes changes at most one of the subset. Throws a `TypeError` or `RangeError`.
 */
export function rendezvousSubset(options: RendezvousSubsetOptions): Subset {
  checkKeys("rendezvousSubset", options, ["size", "clientId"]);
  const size = sizeOption(options.size);
  const seed = hashString(clientIdOption(options.clientId), 0);
  return (endpoints) => {
    if (endpoints.length <= size) return endpoints;
    const ranked = endpoints.map((endpoint) => ({ endpoint, rank: hashString(endpoint.key, seed) }));
    const chosen = new Set<Endpoint>(
      ranked
        .sort(byRank)
        .slice(-size)
        .map(({ endpoint }) => endpoint),
    );
    return endpoints.filter((endpoint) => chosen.has(endpoint));
  };
}
