import type { Interceptor } from "@connectrpc/connect";
import type { ConnectionSnapshot } from "./connection/connection.ts";
import type { ConnectionTotals } from "./connection/connections.ts";
import type { ManageableServer } from "./intake/intake.ts";
import type { ChangeableOptions } from "./options.ts";

/**
 * `serving`: ready. `notReady`: still serving, for `readinessDelayMs`, while others learn that the server will stop.
 * `draining`: no longer listening, connections are retired. `closed`: every connection is gone and the hooks have run.
 */
export type Phase = "serving" | "notReady" | "draining" | "closed";

/** The state of a lifecycle, as plain JSON. */
export interface LifecycleSnapshot {
  readonly phase: Phase;
  readonly podName: string;
  /** RPCs that passed the interceptor and have not ended. */
  readonly rpcsInFlight: number;
  readonly totals: ConnectionTotals;
  readonly connections: readonly ConnectionSnapshot[];
}

export interface ShutdownOptions {
  /** Skip the waits: destroy the sockets now, and wait for running hooks no longer. Default: false. */
  readonly force?: boolean;
}

/** The connections of one or more servers, and their orderly end. */
export interface Lifecycle {
  /**
   * Takes care of the connections that the server accepts from now on; call it before or after `listen()`.
   *
   * @throws TypeError when it is not a server of node:http, node:https or node:http2, Error when a lifecycle manages it already or this lifecycle
   * is shutting down.
   */
  manage(server: ManageableServer): void;

  /**
   * Connect interceptor for the server's router: counts RPCs in flight, names the pod in the response header
   * `x-evenkeel-pod`, and gives handlers the `drainingSignal`.
   */
  readonly interceptor: Interceptor;

  /** What a readiness probe should answer: true until `shutdown()` is called. */
  readonly ready: boolean;
  readonly phase: Phase;

  /** Aborts when the servers stop to listen: streams without an end of their own should end now. */
  readonly draining: AbortSignal;

  /**
   * Calls back on every change of phase. Nothing waits for what an asynchronous callback does. @returns what ends that.
   */
  onPhase(callback: (phase: Phase) => void): () => void;

  /**
   * Runs the hook in `shutdown()`, after the connections are gone: the place to close what handlers use. Hooks run one
   * after another, in the order in which they were added. A hook must not wait for `shutdown()`, which waits for it.
   * @returns what removes the hook.
   */
  onShutdown(hook: () => void | Promise<void>): () => void;

  /**
   * Changes limits, for the connections that are open as well: those that are too old or too idle by the new ones are
   * retired, those above a lower `maxConnections` stay. A wait of a retirement or of the shutdown that has begun keeps
   * its time. An option that is not named, or undefined, stays as it is.
   *
   * @throws TypeError or RangeError that names the option and what it allows; then nothing has changed.
   */
  update(options: ChangeableOptions): void;

  /**
   * Retires every connection now, as at its maximum age. HTTP/2: a GOAWAY that announces the end, a PING, the final
   * GOAWAY when the PING is answered (RFC 9113, section 6.8), then streams finish. HTTP/1.1: the next response says
   * `Connection: close`. Clients connect anew.
   */
  retireConnections(): void;

  /**
   * Ends the servers in order: readiness turns false, `readinessDelayMs` of further service, end of listening, all
   * connections retired, RPCs in flight and open streams finish or are cut after `drainTimeoutMs`, hooks.
   * Further calls return the same promise; with `force` they cut it short.
   *
   * @returns resolves when all is done; rejects with an AggregateError, also when all is done, if a hook or a phase
   * callback threw.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;

  /**
   * Calls `shutdown()` on the first of these signals and forces it on the second. At the end the process exits with
   * code 0, unless the option `exit` is false. If the shutdown rejects, the error is written to stderr and the code
   * is 1. Default: SIGTERM and SIGINT. @returns what removes the handlers.
   */
  shutdownOnSignals(signals?: readonly NodeJS.Signals[]): () => void;

  snapshot(): LifecycleSnapshot;

  /** `shutdown()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
