import type { Connection } from "./connection/connection.ts";
import type { ConnectionHealth } from "./connection/health.ts";
import type { ConnectivityState } from "./connection/state.ts";
import { type Endpoint, formatAddress } from "./endpoint/endpoint.ts";
import { messageOf } from "./errors.ts";
import type { Subchannel } from "./pool/subchannel.ts";

/** What a channel is made of at one moment. Plain JSON. */
export interface ChannelSnapshot {
  readonly target: string;
  readonly state: ConnectivityState;
  readonly endpoints: readonly EndpointSnapshot[];
  /** Connections that finish their streams before they close. */
  readonly draining: readonly ConnectionSnapshot[];
  /** RPCs that wait for a connection. */
  readonly queued: number;
  /** Attempts that ended since the channel was made. */
  readonly totals: { readonly attempts: number; readonly succeeded: number; readonly failed: number };
  readonly resolverError?: string;
}

export interface EndpointSnapshot {
  readonly key: string;
  readonly address: string;
  readonly podName?: string;
  readonly state: ConnectivityState;
  /** Whether outlier detection leaves it out at the moment. */
  readonly ejected?: true;
  readonly connection?: ConnectionSnapshot;
  /** Where there are more than one (`maxConnectionsPerEndpoint`). */
  readonly furtherConnections?: readonly ConnectionSnapshot[];
  readonly lastError?: string;
}

export interface ConnectionSnapshot {
  readonly label: string;
  readonly inFlight: number;
  /** Whether its peer does not answer at the moment. */
  readonly suspect: boolean;
  /** Where there is a health check. */
  readonly health?: ConnectionHealth;
  /** Attempts that ended on it. */
  readonly attempts: number;
  readonly failed: number;
}

export interface SnapshotSource {
  readonly target: string;
  readonly state: ConnectivityState;
  readonly queued: number;
  readonly totals: ChannelSnapshot["totals"];
  readonly subchannels: Iterable<Subchannel>;
  readonly draining: Iterable<Connection>;
  readonly isEjected: (endpoint: Endpoint) => boolean;
  readonly attemptsOf: (connection: Connection) => { readonly attempts: number; readonly failed: number };
  readonly resolverError: Error | undefined;
}

export function snapshotOf(source: SnapshotSource): ChannelSnapshot {
  const connectionSnapshot = (connection: Connection): ConnectionSnapshot => ({
    label: connection.label,
    inFlight: connection.inFlight,
    suspect: connection.suspect,
    ...(connection.health === undefined ? {} : { health: { ...connection.health } }),
    ...source.attemptsOf(connection),
  });
  const endpointSnapshot = ({ endpoint, state, connections, lastError }: Subchannel): EndpointSnapshot => {
    const [connection, ...further] = connections;
    return {
      key: endpoint.key,
      address: formatAddress(endpoint.addresses[0]),
      ...(endpoint.podName === undefined ? {} : { podName: endpoint.podName }),
      state,
      ...(source.isEjected(endpoint) ? { ejected: true } : {}),
      ...(connection === undefined ? {} : { connection: connectionSnapshot(connection) }),
      ...(further.length === 0 ? {} : { furtherConnections: further.map(connectionSnapshot) }),
      ...(lastError === undefined ? {} : { lastError: messageOf(lastError) }),
    };
  };
  const { target, state, queued, totals, subchannels, draining, resolverError } = source;
  return {
    target,
    state,
    endpoints: Array.from(subchannels, endpointSnapshot),
    draining: Array.from(draining, connectionSnapshot),
    queued,
    totals: { ...totals },
    ...(resolverError === undefined ? {} : { resolverError: messageOf(resolverError) }),
  };
}
