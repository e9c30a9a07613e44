import type { Endpoint } from "../endpoint/endpoint.ts";
import type { ConnectionHealth } from "./health.ts";
import type { RequestHead, Stream, StreamListener } from "./stream.ts";

/** Dials endpoints. */
export interface Connector {
  /** Starts to dial; never throws: a dial that fails tells `listener.closed`. Nothing is told before it returns. */
  connect(endpoint: Endpoint, listener: ConnectionListener): Connection;
}

/** One logical HTTP/2 connection to an endpoint, from its dial to its end. */
export interface Connection {
  /** Replaced by its owner when the resolver learns more of the same endpoint. */
  endpoint: Endpoint;
  /** RPCs under way on it: counted from the pick until their stream closes. */
  readonly inFlight: number;
  /** How messages and events name it: `connection 3 to pod-1 (10.0.0.1:8080)`. */
  readonly label: string;
  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS, less the streams in the background. */
  readonly maxStreams: number;
  /** Streams whose response arrived whole. */
  readonly answered: number;
  /** Whether it does not answer: better ones are taken first, but it may come back. */
  readonly suspect: boolean;
  /** What a health check says; `undefined` without one. */
  readonly health?: ConnectionHealth | undefined;
  /**
   * Sends a request. `listener.closed` is called exactly once, never before `open` has returned; a connection that
   * cannot take the request closes it with fate `unsent`. Throws for headers that cannot be sent on any connection.
   */
  open(head: RequestHead, listener: StreamListener): Stream;
  /** Takes no new streams, lets those under way finish, then closes. `closed` may come before it returns. */
  drain(): void;
  /** Ends at once: streams under way end with the fate that they have. `closed` may come before it returns. */
  destroy(reason: Error): void;
}

/** What a connection tells its owner. Nothing follows `closed`. */
export interface ConnectionListener {
  /** The peer's SETTINGS have arrived: streams may be opened. At most once. */
  ready(): void;
  /** A stream ended on a connection that was at its `maxStreams`, or `maxStreams` rose. */
  capacity(): void;
  /** `suspect` changed. */
  suspicion(): void;
  /** `health` changed. Only connectors that check it tell. */
  health?(): void;
  /**
   * No new streams: the peer sent GOAWAY, or every stream id was used. May come twice; the streams that the peer refuses
   * are told after it.
   */
  goaway(goaway: Goaway): void;
  /** The connection is gone; every stream of it has been told, or is told in this turn. */
  closed(end: ConnectionEnd): void;
}

export interface Goaway {
  /** HTTP/2 error code, 0 is NO_ERROR. */
  readonly errorCode: number;
  readonly lastStreamId: number;
  /** The opaque debug data as text, mostly empty. */
  readonly debugData: string;
}

export interface ConnectionEnd {
  /** What was seen. For an orderly end, a text that says so. */
  readonly reason: Error;
  /** Whether it ended as planned: drained, or closed by the peer while it was idle, without an error. */
  readonly orderly: boolean;
  /** Streams that had been written and not been answered when it ended. */
  readonly streamsLost: number;
}
