/** What a server says of one of its services. */
export type HealthStatus = "serving" | "notServing" | "unknown";

/** As a watch tells it, also of services that the server does not know, or not yet. */
export type WatchedStatus = HealthStatus | "serviceUnknown";

/** What the registry follows: a lifecycle of `@evenkeel/server`, or anything of its shape. */
export interface HealthLifecycle {
  readonly phase: HealthPhase;
  /** Calls back on every change of phase. Returns what ends that. */
  onPhase(callback: (phase: HealthPhase) => void): () => void;
}

export type HealthPhase = "serving" | "notReady" | "draining" | "closed";

export interface HealthRegistryOptions {
  /** Statuses at the start, by the full name of a service. `""`, the server as a whole, is serving unless it is here. */
  readonly statuses?: Readonly<Record<string, HealthStatus>>;
  /** `notReady` is `shutdown()`, the first thing in a drain; `draining` and `closed` are `close()`. Default: none. */
  readonly lifecycle?: HealthLifecycle;
}

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal;
}

/**
 * The health of a server's services, as grpc.health.v1 tells it: by full name (`shop.OrderService`), `""` for the server
 * as a whole. No name stands for others: what is asked for has to be set.
 */
export interface HealthRegistry {
  /**
   * Sets what is told of a service. Remembered, and not told, after `shutdown()`.
   * @throws TypeError for anything but a name and a status.
   */
  set(service: string, status: HealthStatus): void;

  /** What is told of a service; `undefined` of one that was never set. */
  get(service: string): HealthStatus | undefined;

  /** Makes a service unknown. Returns whether it was known. */
  delete(service: string): boolean;

  /** What is told, of every service that was set. */
  list(): ReadonlyMap<string, HealthStatus>;

  /**
   * Tells the status at once, and again when it has changed; whoever is slow to ask for the next one gets the latest,
   * and not those between. Ends with `close()`, its signal, or `return()`.
   */
  watch(service: string, options?: WatchOptions): AsyncIterableIterator<WatchedStatus, undefined>;

  /** From now on every service that was set is `notServing`, whatever is set. */
  shutdown(): void;

  /** Undoes `shutdown()`: what was set meanwhile is told. After `close()` it does nothing. */
  resume(): void;

  /** `shutdown()` for good: every watch tells `notServing`, if it has not, and ends; those that begin later end at once. */
  close(): void;
}
