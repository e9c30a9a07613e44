import type { ChangeableOptions, Lifecycle, LifecycleSnapshot, Phase, ShutdownOptions } from "@evenkeel/server";

/**
 * The lifecycle of a gRPC server: that of `@evenkeel/server`, for the ports that the server binds. `rpcsInFlight` of
 * `snapshot()` is the number of open streams.
 */
export type GrpcServerLifecycle = Omit<Lifecycle, "interceptor" | "manage" | "update"> & {
  /** As of `Lifecycle`, but for `maxStreamAgeMs`, which needs an interceptor of Connect. */
  update(options: GrpcServerLimits): void;
};

/** What may change while a gRPC server runs. */
export type GrpcServerLimits = Omit<ChangeableOptions, "maxStreamAgeMs">;

/** @throws TypeError */
export function refuseStreamAge(options: object): void {
  if (!("maxStreamAgeMs" in options)) return;
  throw new TypeError(
    "maxStreamAgeMs: no option for gRPC servers, whose handlers get no hint to end: end long streams in the handler",
  );
}

/** What of a lifecycle makes sense without Connect. */
export class LifecycleView implements GrpcServerLifecycle {
  readonly #lifecycle: Lifecycle;

  constructor(lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
  }

  get ready(): boolean {
    return this.#lifecycle.ready;
  }

  get phase(): Phase {
    return this.#lifecycle.phase;
  }

  get draining(): AbortSignal {
    return this.#lifecycle.draining;
  }

  onPhase(callback: (phase: Phase) => void): () => void {
    return this.#lifecycle.onPhase(callback);
  }

  onShutdown(hook: () => void | Promise<void>): () => void {
    return this.#lifecycle.onShutdown(hook);
  }

  update(options: GrpcServerLimits): void {
    if (typeof options === "object" && options !== null) refuseStreamAge(options);
    this.#lifecycle.update(options);
  }

  retireConnections(): void {
    this.#lifecycle.retireConnections();
  }

  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#lifecycle.shutdown(options);
  }

  shutdownOnSignals(signals?: readonly NodeJS.Signals[]): () => void {
    return this.#lifecycle.shutdownOnSignals(signals);
  }

  snapshot(): LifecycleSnapshot {
    const snapshot = this.#lifecycle.snapshot();
    return { ...snapshot, rpcsInFlight: snapshot.connections.reduce((sum, { openStreams }) => sum + openStreams, 0) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}
