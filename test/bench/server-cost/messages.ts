import type { ServerKind, Variant } from "./cases.ts";

/** What a server is started with. */
export interface CostServerJob {
  readonly server: ServerKind;
  readonly variant: Variant;
}

/** What a server is asked. */
export interface AskUsage {
  /** Collect garbage before; needs --expose-gc. */
  readonly collect: boolean;
}

/** What a server's process has used. */
export interface Usage {
  readonly kind: "usage";
  /** User and system time since its start, in microseconds. */
  readonly cpuUs: number;
  readonly rssBytes: number;
  /** V8's heap, and what hangs on it outside. */
  readonly heapBytes: number;
  /** Connections that are open. */
  readonly connections: number;
}

/** What a driver is started with. */
export interface DriverJob {
  readonly server: ServerKind;
  readonly port: number;
}

/** What a driver is asked. */
export interface Drive {
  readonly rpcs: number;
}

/** All RPCs were answered. */
export interface Driven {
  readonly kind: "driven";
  readonly elapsedMs: number;
}

/** What a program is started with that opens connections and leaves them idle. It is ready when all are open. */
export interface OpenerJob {
  readonly port: number;
  readonly connections: number;
}
