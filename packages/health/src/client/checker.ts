import type { Clock, ConnectionHealth, Random, RequestHead, Stream, StreamListener } from "@evenkeel/core";

/** Asks one connection after its health. */
export interface Checker {
  /** Once, when the connection takes streams. */
  start(): void;
  /** Gives up what is under way, and leaves nothing behind. May come at any time, and more than once. */
  stop(): void;
}

/** What a checker needs of the connection that it asks. */
export interface CheckedPeer {
  readonly clock: Clock;
  readonly random: Random;
  /** What was last told. */
  readonly health: ConnectionHealth;
  /** Streams that it takes at a time. */
  readonly maxStreams: number;
  /** Whether it takes one more. */
  readonly hasRoom: boolean;
  /** Opens a stream in the background. */
  open(head: RequestHead, listener: StreamListener): Stream;
  tell(state: ConnectionHealth["state"], reason: string): void;
  /** The server has no such check, which counts as healthy: somebody should know. */
  warn(reason: string): void;
}
