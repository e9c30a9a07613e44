import { isDeepStrictEqual } from "node:util";
import { type ChannelOptions, type ChannelSettings, channelSettings } from "./channel-options.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Connection } from "./connection/connection.ts";
import type { ConnectivityState } from "./connection/state.ts";
import { checkEndpoints, type Endpoint, usableEndpoints } from "./endpoint/endpoint.ts";
import { StatusCode, StatusError } from "./errors.ts";
import { hasSubscribers, publish } from "./events.ts";
import type { Outcome } from "./outcome/outcome.ts";
import { RetryBudget } from "./outcome/retry-budget.ts";
import { type EjectionChange, outlierSettings } from "./outlier/options.ts";
import { Balancer } from "./picker/balancer.ts";
import { type PickHandler, PickQueue, type QueueResult } from "./picker/pick-queue.ts";
import type { PickInfo, PickResult } from "./picker/picker.ts";
import { StartHold } from "./picker/start-hold.ts";
import type { Policy, PolicyContext } from "./policy/policy.ts";
import { stackPolicies } from "./policy/stack.ts";
import { Pool } from "./pool/pool.ts";
import type { Subchannel } from "./pool/subchannel.ts";
import { causeOfUnavailability, describeUnavailability, type Unavailability } from "./pool/unavailable.ts";
import { type Resolution, resolutionError } from "./resolver/resolution.ts";
import type { Resolver, ResolverUpdate } from "./resolver/resolver.ts";
import { warnOnce } from "./resolver/warning.ts";
import { type ChannelSnapshot, snapshotOf } from "./snapshot.ts";
import { parseTarget, type Target } from "./target/target.ts";

/** RPCs that may wait for a connection at a time. */
const maxQueued = 10_000;
/** Where so many are ready, a picker is made once in so many milliseconds. */
const manyReady = 256;
const refreshMs = 20;

/** Makes a channel. Nothing is dialled before the first RPC or `connect()`. Throws a `TypeError` or `RangeError`. */
export function createChannel(options: ChannelOptions): Channel {
  return new Channel(options);
}

/** From target to pick: what the transports share. */
export class Channel {
  readonly target: Target;
  /** Bounds the retries and hedges of all transports that share the channel. */
  readonly retryBudget: RetryBudget;
  readonly #settings: ChannelSettings;
  readonly #clock: Clock;
  readonly #balancer: Balancer;
  readonly #queue: PickQueue;
  readonly #totals = { attempts: 0, succeeded: 0, failed: 0 };
  readonly #picked = new WeakMap<Connection, Picked>();
  /** Keys of the endpoints that outlier detection leaves out. */
  readonly #ejected = new Set<string>();

  #activity: Activity = { kind: "idle" };
  /** Whether RPCs that find nothing ready may wait for a dial. */
  #isHopeful = true;
  #lastUsedAt = 0;

  constructor(options: ChannelOptions) {
    this.#settings = channelSettings(options);
    this.target = parseTarget(options.target);
    const { clock, waitForReady, queueTimeoutMs, retryBudget } = this.#settings;
    this.#clock = clock;
    this.retryBudget = new RetryBudget({ ...retryBudget, clock });
    this.#balancer = new Balancer(
      this.#watchedPolicy(options),
      clock,
      this.#settings.maxConnectionsPerEndpoint > 1,
      (message) => warnOnce("EVENKEEL_POLICY", this.target, `${this.target.text}: ${message}`),
    );
    this.#queue = new PickQueue({
      clock,
      timeoutMs: waitForReady ? Number.POSITIVE_INFINITY : queueTimeoutMs,
      maxLength: maxQueued,
      beforeTimeout: () => {
        if (this.#activity.kind === "active") this.#activity.hold.end();
      },
      describe: () => this.#describe(),
    });
  }

  get state(): ConnectivityState {
    if (this.#activity.kind === "closed") return "shutdown";
    if (this.#activity.kind === "idle") return "idle";
    if (this.#balancer.ready.length > 0) return "ready";
    const { pool, resolution } = this.#activity;
    if (resolution.kind === "pending") return "connecting";
    if (this.#activity.hold.isHeld) return "connecting";
    for (const { state } of pool.subchannels) if (state === "connecting") return "connecting";
    return "transientFailure";
  }

  /** Starts the resolver and the dials, if they are not under way. */
  connect(): void {
    if (this.#activity.kind !== "idle") return;
    const pool = new Pool({
      target: this.target.text,
      ...this.#settings,
      changed: () => this.#changed(),
      capacity: () => {
        this.#balancer.roomMade();
        this.#drainQueue();
      },
      suspected: () => this.resolveNow(),
    });
    const active: Active = {
      kind: "active",
      pool,
      resolution: { kind: "pending" },
      context: this.#policyContext([]),
      hold: new StartHold(this.#clock, () => this.#changed()),
      refresh: undefined,
      isStale: false,
      resolver: undefined,
      idle: undefined,
    };
    this.#activity = active;
    this.#lastUsedAt = this.#clock.now();
    active.idle = this.#watchIdleness(this.#settings.idleTimeoutMs);
    try {
      const { resolver, clock, random } = this.#settings;
      active.resolver = resolver(this.target, (update) => this.#resolved(active, update), { clock, random });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#resolved(active, { kind: "notFound", error });
    }
    if (this.#activity !== active) active.resolver?.close();
  }

  /** Resolves when an RPC would find a ready connection; rejects with the `StatusError` it would fail with. */
  ready(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pick({ path: "", header: () => undefined }, { picked: () => resolve(), failed: reject }, signal);
    });
  }

  /** Asks the resolver to look again. */
  resolveNow(): void {
    if (this.#activity.kind === "active") this.#activity.resolver?.resolveNow();
  }

  /**
   * Finds the connection for an RPC, at once or when there is one.
   *
   * `handler.failed` gets a `StatusError`, or the reason of `signal`.
   */
  pick(info: PickInfo, handler: PickHandler, signal?: AbortSignal): void {
    if (signal?.aborted === true) {
      handler.failed(signal.reason);
      return;
    }
    this.connect();
    if (this.#activity.kind === "closed") {
      handler.failed(this.#activity.reason);
      return;
    }
    this.#lastUsedAt = this.#clock.now();
    const result = this.#pick(info);
    // a policy may have told of an ejection, and who heard of that may have closed the channel
    const reason = this.#reasonOfEnd();
    if (reason !== undefined) handler.failed(reason);
    else if (result.kind === "complete") handler.picked(this.#take(result.candidate));
    else if (
      result.kind === "queue" ||
      (result.kind === "fail" && (this.#dialStale() || this.#settings.waitForReady))
    ) {
      this.#queue.add(info, handler, signal);
    } else handler.failed(result.error);
  }

  /** Takes the outcome of an attempt: once for each connection that was picked. */
  report(connection: Connection, info: PickInfo, outcome: Outcome): void {
    this.#lastUsedAt = this.#clock.now();
    const failed = outcome.code === StatusCode.ok ? 0 : 1;
    this.#totals.attempts++;
    this.#totals.failed += failed;
    this.#totals.succeeded += 1 - failed;
    const picked = this.#picked.get(connection);
    if (picked !== undefined) {
      picked.counts.attempts++;
      picked.counts.failed += failed;
      this.#balancer.report(picked.subchannel, outcome);
      if (this.#activity.kind === "active") this.#activity.resolver?.report?.(connection.endpoint, outcome);
    }
    if (!hasSubscribers("attempt.end")) return;
    const { endpoint, label } = connection;
    publish("attempt.end", { target: this.target.text, endpoint, connection: label, path: info.path, outcome });
  }

  /** Plain JSON: what the channel is made of right now. */
  snapshot(): ChannelSnapshot {
    const pool = this.#activity.kind === "idle" ? undefined : this.#activity.pool;
    return snapshotOf({
      target: this.target.text,
      state: this.state,
      queued: this.#queue.length,
      totals: this.#totals,
      subchannels: pool?.subchannels ?? [],
      draining: pool?.draining ?? [],
      isEjected: ({ key }) => this.#ejected.has(key),
      attemptsOf: (connection) => this.#picked.get(connection)?.counts ?? { attempts: 0, failed: 0 },
      resolverError: this.#activity.kind === "active" ? resolutionError(this.#activity.resolution) : undefined,
    });
  }

  /** Takes no new RPC, fails those that wait, lets the others finish. Resolves when every connection is gone. */
  async close(): Promise<void> {
    const pool = this.#end(new StatusError(StatusCode.unavailable, `the channel to ${this.target.text} is closed`));
    if (pool === undefined) return;
    // whoever awaits this is to live to see it, though sockets are unref'd
    const keepAlive = this.#clock.setTimeout(() => {}, Number.POSITIVE_INFINITY, { ref: true });
    await pool.close();
    keepAlive.cancel();
  }

  /** Ends every RPC and every connection at once. */
  destroy(error?: Error): void {
    const reason = error ?? new StatusError(StatusCode.unavailable, `the channel to ${this.target.text} was destroyed`);
    this.#end(reason)?.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #reasonOfEnd(): Error | undefined {
    return this.#activity.kind === "closed" ? this.#activity.reason : undefined;
  }

  /** Takes no RPCs from here on. Returns the pool, which the caller closes or destroys. */
  #end(reason: Error): Pool | undefined {
    if (this.#activity.kind === "active") {
      this.#stop(this.#activity, { kind: "closed", reason, pool: this.#activity.pool });
    } else if (this.#activity.kind === "idle") {
      this.#activity = { kind: "closed", reason, pool: undefined };
    }
    this.#queue.failAll(reason);
    return this.#activity.kind === "closed" ? this.#activity.pool : undefined;
  }

  /** Stops resolver and timers. The caller closes the pool. */
  #stop({ resolver, idle, hold, refresh }: Active, next: Activity): void {
    this.#activity = next; // before the resolver is closed, which may come back
    this.#balancer.clear(this.#clock.now());
    this.#isHopeful = true;
    idle?.cancel();
    hold.reset();
    refresh?.cancel();
    resolver?.close();
  }

  #watchIdleness(afterMs: number): Timer | undefined {
    if (this.#settings.idleTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
    return this.#clock.setTimeout(() => {
      const active = this.#activity;
      if (active.kind !== "active") return;
      const { pool } = active;
      // those that are not picked now, being suspect or unhealthy, may carry streams as well
      const open = [...pool.subchannels, ...pool.draining];
      const busy = this.#queue.length > 0 || open.some(({ inFlight }) => inFlight > 0);
      const left = busy
        ? this.#settings.idleTimeoutMs
        : this.#lastUsedAt + this.#settings.idleTimeoutMs - this.#clock.now();
      if (left > 0) {
        active.idle = this.#watchIdleness(left);
        return;
      }
      this.#stop(active, { kind: "idle" });
      void pool.close();
    }, afterMs);
  }

  #resolved(active: Active, update: ResolverUpdate): void {
    if (this.#activity !== active) return;
    publish("resolver.update", { target: this.target.text, update }); // a subscriber may close the channel
    if (update.kind === "endpoints") {
      let endpoints: readonly Endpoint[];
      try {
        endpoints = this.#chosen(update.endpoints);
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        this.#resolved(active, { kind: "error", error });
        return;
      }
      active.resolution = { kind: "known", size: update.endpoints.length, error: undefined };
      if (!isDeepStrictEqual(endpoints, active.context.endpoints)) active.context = this.#policyContext(endpoints);
      active.pool.update(endpoints);
    } else if (update.kind === "notFound") {
      active.resolution = { kind: "failed", error: update.error };
      active.context = this.#policyContext([]);
      active.pool.update([]);
    } else {
      active.resolution =
        active.resolution.kind === "known"
          ? { ...active.resolution, error: update.error }
          : { kind: "failed", error: update.error };
      this.#changed();
    }
  }

  /** Those to connect to. */
  #chosen(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    const chosen = this.#settings.subset(usableEndpoints(checkEndpoints(endpoints)));
    if (!Array.isArray(chosen)) throw new TypeError(`subset: expected endpoints, got ${String(chosen)}`);
    return chosen;
  }

  /** Publishes the picker that fits, and offers it to the RPCs that wait. */
  #changed(): void {
    const active = this.#activity;
    if (active.kind !== "active") return;
    // a picker for each of thousands that change would cost more than their dials; what was lost is passed over anyhow
    if (active.refresh !== undefined) active.isStale = true;
    else this.#refresh(active);
  }

  #refresh(active: Active): void {
    active.isStale = false;
    if (this.#balancer.ready.length >= manyReady) {
      active.refresh = this.#clock.setTimeout(() => {
        active.refresh = undefined;
        if (active.isStale) this.#refresh(active);
      }, refreshMs);
    }
    const [first, ...rest] = active.pool.ready;
    if (first === undefined) {
      this.#balancer.clear(this.#clock.now());
      active.hold.reset();
    } else if (!active.hold.update([first, ...rest], active.pool.subchannels)) {
      this.#balancer.update([first, ...rest], active.context);
    }
    this.#isHopeful = this.state === "connecting";
    this.#drainQueue();
  }

  #drainQueue(): void {
    this.#queue.drain((info): QueueResult | undefined => {
      if (this.#balancer.ready.length > 0 && !this.#balancer.makeRoom()) return undefined;
      const result = this.#pick(info);
      if (result.kind === "complete") return { kind: "complete", connection: this.#take(result.candidate) };
      return result.kind === "fail" && this.#settings.waitForReady ? queue : result;
    });
  }

  #pick(info: PickInfo): PickResult<Subchannel> {
    if (this.#balancer.ready.length > 0) return this.#balancer.pick(info);
    return this.#isHopeful ? queue : { kind: "fail", error: this.#unavailable() };
  }

  /** The connection of a subchannel that has room. */
  #take(subchannel: Subchannel): Connection {
    const connection = subchannel.take() as Connection;
    if (!this.#picked.has(connection)) {
      this.#picked.set(connection, { subchannel, counts: { attempts: 0, failed: 0 } });
    }
    return connection;
  }

  #watchedPolicy(options: ChannelOptions): Policy {
    const { outlierDetection } = options;
    if (outlierDetection === undefined) return stackPolicies(options);
    outlierSettings(outlierDetection); // checks it, before it is made another
    const onEjection = (change: EjectionChange): void => {
      const { kind, endpoint } = change;
      if (kind === "ejected") this.#ejected.add(endpoint.key);
      else this.#ejected.delete(endpoint.key);
      publish("endpoint.ejection", { target: this.target.text, ...change });
      outlierDetection.onEjection?.(change);
    };
    return stackPolicies({ ...options, outlierDetection: { ...outlierDetection, onEjection } });
  }

  #policyContext(endpoints: readonly Endpoint[]): PolicyContext {
    return {
      clock: this.#clock,
      random: this.#settings.random,
      endpoints,
      weightOf: ({ endpoint }) => endpoint.weight,
    };
  }

  /** Dials what an RPC that finds nothing ready may have dialled. Returns whether anything is. */
  #dialStale(): boolean {
    if (this.#activity.kind !== "active" || this.#balancer.ready.length > 0) return false;
    if (!this.#activity.pool.dialStale()) return false;
    this.#changed();
    return true;
  }

  #unavailable(): StatusError {
    const cause =
      this.#activity.kind === "active" ? causeOfUnavailability(this.#unavailability(this.#activity)) : undefined;
    return new StatusError(StatusCode.unavailable, this.#describe(), cause === undefined ? undefined : { cause });
  }

  #describe(): string {
    if (this.#activity.kind !== "active") return `${this.target.text}: not connected`;
    return describeUnavailability(this.#unavailability(this.#activity));
  }

  #unavailability({ resolution, pool }: Active): Unavailability {
    return {
      target: this.target.text,
      resolution,
      subchannels: [...pool.subchannels],
      ready: this.#balancer.ready.length,
    };
  }
}

/** A connection that was picked, and the attempts that ended on it. */
interface Picked {
  readonly subchannel: Subchannel;
  readonly counts: { attempts: number; failed: number };
}

type Activity =
  | { readonly kind: "idle" }
  | Active
  | { readonly kind: "closed"; readonly reason: Error; readonly pool: Pool | undefined };

interface Active {
  readonly kind: "active";
  readonly pool: Pool;
  resolution: Resolution;
  /** For the policy: made anew with each set of endpoints. */
  context: PolicyContext;
  readonly hold: StartHold;
  /** Runs for a while after a picker was made for very many, until which no other is made. */
  refresh: Timer | undefined;
  /** Whether something changed meanwhile. */
  isStale: boolean;
  /** Undefined while the factory runs. */
  resolver: Resolver | undefined;
  idle: Timer | undefined;
}

const queue = { kind: "queue" } as const;
