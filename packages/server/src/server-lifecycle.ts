import { setMaxListeners } from "node:events";
import type { Interceptor } from "@connectrpc/connect";
import { maxDelayMs, type Timer } from "./clock.ts";
import { setTimeoutAfterPoll } from "./connection/after-poll.ts";
import { Connections } from "./connection/connections.ts";
import { assertManageable, intakeFrom, isHttp2Server, type ManageableServer } from "./intake/intake.ts";
import { createInterceptor } from "./interceptor.ts";
import { jitterOf } from "./jitter.ts";
import type { Lifecycle, LifecycleSnapshot, Phase, ShutdownOptions } from "./lifecycle.ts";
import {
  type ChangeableOptions,
  changeLimits,
  type LifecycleOptions,
  resolveOptions,
  type Settings,
} from "./options.ts";
import { onSignals } from "./signals.ts";
import { stopListening } from "./stop-listening.ts";

/** @throws TypeError or RangeError that names the option and what it allows. */
export function createLifecycle(options: LifecycleOptions = {}): Lifecycle {
  return new ServerLifecycle(resolveOptions(options));
}

/**
 * Shorthand for a lifecycle that manages this server, for services that need no interceptor.
 *
 * @throws as `createLifecycle()` and `manage()` do.
 */
export function manageConnections(server: ManageableServer, options: LifecycleOptions = {}): Lifecycle {
  const lifecycle = createLifecycle(options);
  lifecycle.manage(server);
  return lifecycle;
}

/** A destroyed socket emits "close" within a few turns of the event loop. */
const closeMs = 1_000;

const managed = new WeakSet<ManageableServer>();

class ServerLifecycle implements Lifecycle {
  readonly interceptor: Interceptor;
  readonly #settings: Settings;
  readonly #draining = new AbortController();
  readonly #servers: ManageableServer[] = [];
  readonly #connections: Connections;
  readonly #phaseCallbacks = new Set<{ readonly call: (phase: Phase) => void }>();
  readonly #hooks = new Set<{ readonly run: () => void | Promise<void> }>();
  readonly #failures: unknown[] = [];
  #phase: Phase = "serving";
  #rpcsInFlight = 0;
  #shutdown: Promise<void> | undefined;
  #forced = false;
  #onForce: () => void = () => {};
  /** Tells the shutdown's present wait that something happened. */
  #onProgress: () => void = () => {};

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#connections = new Connections(settings, () => this.#onProgress());
    setMaxListeners(0, this.#draining.signal);
    this.interceptor = createInterceptor({
      podName: settings.podName,
      draining: this.#draining.signal,
      beginRpc: () => this.#beginRpc(),
      onStreamAge: (callback) => this.#onStreamAge(callback),
    });
  }

  get ready(): boolean {
    return this.#phase === "serving";
  }

  get phase(): Phase {
    return this.#phase;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  manage(server: ManageableServer): void {
    assertManageable(server);
    if (managed.has(server)) throw new Error("this server is managed already: call manage() once for each server");
    if (this.#phase !== "serving") throw new Error(`this lifecycle is shutting down: its phase is ${this.#phase}`);
    managed.add(server);
    this.#servers.push(server);
    if (this.#settings.maxConcurrentStreams !== Number.POSITIVE_INFINITY) this.#announceMaxConcurrentStreams(server);
    intakeFrom(server, this.#connections);
  }

  onPhase(callback: (phase: Phase) => void): () => void {
    const entry = { call: callback };
    this.#phaseCallbacks.add(entry);
    return () => this.#phaseCallbacks.delete(entry);
  }

  onShutdown(hook: () => void | Promise<void>): () => void {
    const entry = { run: hook };
    this.#hooks.add(entry);
    return () => this.#hooks.delete(entry);
  }

  update(options: ChangeableOptions): void {
    const { maxConcurrentStreams } = this.#settings;
    Object.assign(this.#settings, changeLimits(this.#settings, options));
    if (this.#settings.maxConcurrentStreams !== maxConcurrentStreams) {
      for (const server of this.#servers) this.#announceMaxConcurrentStreams(server);
    }
    this.#connections.review();
  }

  retireConnections(): void {
    this.#connections.retireAll("requested");
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    if (this.#shutdown === undefined) {
      // known before the first phase callback runs, which may call this
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#shutdown = promise;
      resolve(this.#runShutdown());
    }
    if (options.force === true) {
      this.#forced = true;
      this.#onProgress();
      this.#onForce();
    }
    return this.#shutdown;
  }

  shutdownOnSignals(signals: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT"]): () => void {
    return onSignals(signals, this, this.#settings.exit);
  }

  snapshot(): LifecycleSnapshot {
    return {
      phase: this.#phase,
      podName: this.#settings.podName,
      rpcsInFlight: this.#rpcsInFlight,
      ...this.#connections.snapshot(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #runShutdown(): Promise<void> {
    this.#enter("notReady");
    await this.#wait(this.#settings.readinessDelayMs, () => this.#forced);

    for (const server of this.#servers) stopListening(server);
    this.#enter("draining");
    this.#draining.abort();
    this.#connections.drain();
    await this.#wait(this.#settings.drainTimeoutMs, () => this.#forced || this.#isDrained());

    this.#connections.destroyAll();
    await this.#wait(closeMs, () => this.#connections.size === 0);

    await Promise.race([this.#runHooks(), this.#nextForce()]);
    this.#enter("closed");
    if (this.#failures.length > 0) {
      throw new AggregateError(this.#failures, "a hook or a phase callback failed in the shutdown");
    }
  }

  /**
   * Ends when it is over, which is looked at whenever something happened, or after `limitMs` and what had happened by
   * then: clients that the kernel has connected are accepted before listening ends, answers written before sockets are
   * destroyed.
   */
  async #wait(limitMs: number, isOver: () => boolean): Promise<void> {
    if (isOver()) return;
    await new Promise<void>((resolve) => {
      const timer =
        limitMs === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeoutAfterPoll(this.#settings.clock, resolve, limitMs, { ref: true });
      this.#onProgress = () => {
        if (!isOver()) return;
        timer?.cancel();
        resolve();
      };
    });
    this.#onProgress = () => {};
  }

  #isDrained(): boolean {
    return this.#connections.size === 0 && this.#rpcsInFlight === 0;
  }

  /** One that comes from now on: an earlier one has ended the waits before. */
  #nextForce(): Promise<void> {
    return new Promise((resolve) => {
      this.#onForce = resolve;
    });
  }

  async #runHooks(): Promise<void> {
    for (const { run } of this.#hooks) {
      try {
        await run();
      } catch (error) {
        this.#failures.push(error);
      }
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    for (const { call } of [...this.#phaseCallbacks]) {
      try {
        const outcome: unknown = call(phase);
        if (outcome instanceof Promise) outcome.catch((error: unknown) => this.#onLateFailure(error));
      } catch (error) {
        this.#failures.push(error);
      }
    }
  }

  /** Of an asynchronous phase callback. Nobody waits for it: past the end it is an unhandled rejection. */
  #onLateFailure(error: unknown): void {
    if (this.#phase === "closed") throw error;
    this.#failures.push(error);
  }

  /** To the connections to come, in their first SETTINGS. */
  #announceMaxConcurrentStreams(server: ManageableServer): void {
    const { maxConcurrentStreams } = this.#settings;
    if (isHttp2Server(server))
      server.updateSettings({ maxConcurrentStreams: Math.min(maxConcurrentStreams, 2 ** 32 - 1) });
  }

  #beginRpc(): () => void {
    this.#rpcsInFlight++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#rpcsInFlight--;
      this.#onProgress();
    };
  }

  #onStreamAge(callback: () => void): Timer | undefined {
    const { maxStreamAgeMs, clock, random } = this.#settings;
    if (maxStreamAgeMs === Number.POSITIVE_INFINITY) return undefined;
    return clock.setTimeout(callback, Math.min(maxStreamAgeMs * jitterOf(random), maxDelayMs));
  }
}
