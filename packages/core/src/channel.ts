import { isDeepStrictEqual } from "node:util";
import { type Clock, systemClock, type Timer } from "./clock.ts";
import type { Connection, Connector } from "./connection/connection.ts";
import type { ConnectivityState } from "./connection/state.ts";
import { type Endpoint, usableEndpoints } from "./endpoint/endpoint.ts";
import { StatusCode, StatusError } from "./errors.ts";
import { hasSubscribers, publish } from "./events.ts";
import { durationOption, numberOption } from "./options.ts";
import type { Outcome } from "./outcome/outcome.ts";
import { Balancer } from "./picker/balancer.ts";
import { type PickHandler, PickQueue, type QueueResult } from "./picker/pick-queue.ts";
import type { PickInfo, PickResult } from "./picker/picker.ts";
import { leastRequest } from "./policy/least-request.ts";
import type { Policy, PolicyContext } from "./policy/policy.ts";
import { Pool, type PoolOptions } from "./pool/pool.ts";
import type { Subchannel } from "./pool/subchannel.ts";
import { causeOfUnavailability, describeUnavailability, type Unavailability } from "./pool/unavailable.ts";
import { type Random, systemRandom } from "./random.ts";
import { dns } from "./resolver/dns.ts";
import { type Resolution, resolutionError } from "./resolver/resolution.ts";
import type { Resolver, ResolverFactory, ResolverUpdate } from "./resolver/resolver.ts";
import { type ChannelSnapshot, snapshotOf } from "./snapshot.ts";
import { parseTarget, type Target } from "./target/target.ts";

/** All times in milliseconds. */
export interface ChannelOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly target: string;
  readonly connector: Connector;
  /** Default `dns()`. */
  readonly resolver?: ResolverFactory;
  /** Default `leastRequest()`. */
  readonly policy?: Policy;
  /** From the dial until the connection is ready: TCP, TLS and the peer's SETTINGS. Default 5 000. */
  readonly connectTimeoutMs?: number;
  /** Dialled one after another while RPCs find all connections to an endpoint full (gRFC A105). 1 to 100, default 1. */
  readonly maxConnectionsPerEndpoint?: number;
  /** How long an RPC waits for a connection. Default 30 000. */
  readonly queueTimeoutMs?: number;
  /** Waits for a ready connection until the RPC's deadline, also while all of them fail. Default false. */
  readonly waitForReady?: boolean;
  /** After this long without an RPC, resolver and connections stop; the next RPC starts them. Default 900 000. */
  readonly idleTimeoutMs?: number;
  /** How long connections to endpoints that left the set may finish their streams. Default 30 000. */
  readonly drainTimeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** RPCs that may wait for a connection at a time. */
const maxQueued = 10_000;
/** The longest that RPCs wait for more than one connection to become ready, in milliseconds. */
const maxHoldMs = 100;
/** Where so many are ready, those that become it are picked after this time, in milliseconds. */
const manyReady = 256;
const refreshMs = 20;

/** Makes a channel. Nothing is dialled before the first RPC or `connect()`. Throws a `TypeError` or `RangeError`. */
export function createChannel(options: ChannelOptions): Channel {
  return new Channel(options);
}

/** From target to pick: what the transports share. */
export class Channel {
  readonly target: Target;
  readonly #connector: Connector;
  readonly #resolverFactory: ResolverFactory;
  readonly #balancer: Balancer;
  readonly #waitForReady: boolean;
  readonly #idleTimeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #poolOptions: Pick<PoolOptions, "connectTimeoutMs" | "drainTimeoutMs" | "maxConnectionsPerEndpoint">;
  readonly #queue: PickQueue;
  readonly #totals = { attempts: 0, succeeded: 0, failed: 0 };
  readonly #picked = new WeakMap<Connection, Picked>();

  #activity: Activity = { kind: "idle" };
  /** Whether RPCs that find nothing ready may wait for a dial. */
  #isHopeful = true;
  #lastUsedAt = 0;

  constructor(options: ChannelOptions) {
    this.target = parseTarget(options.target);
    this.#connector = options.connector;
    this.#resolverFactory = options.resolver ?? dns();
    this.#random = options.random ?? systemRandom;
    this.#balancer = new Balancer(options.policy ?? leastRequest());
    this.#waitForReady = options.waitForReady ?? false;
    this.#idleTimeoutMs = durationOption("idleTimeoutMs", options.idleTimeoutMs ?? 900_000);
    this.#clock = options.clock ?? systemClock;
    this.#poolOptions = {
      connectTimeoutMs: durationOption("connectTimeoutMs", options.connectTimeoutMs ?? 5_000),
      drainTimeoutMs: durationOption("drainTimeoutMs", options.drainTimeoutMs ?? 30_000),
      maxConnectionsPerEndpoint: numberOption("maxConnectionsPerEndpoint", options.maxConnectionsPerEndpoint ?? 1, {
        min: 1,
        max: 100,
        integer: true,
      }),
    };
    const queueTimeoutMs = durationOption("queueTimeoutMs", options.queueTimeoutMs ?? 30_000);
    this.#queue = new PickQueue({
      clock: this.#clock,
      timeoutMs: this.#waitForReady ? Number.POSITIVE_INFINITY : queueTimeoutMs,
      maxLength: maxQueued,
      describe: () => this.#describe(),
    });
  }

  get state(): ConnectivityState {
    if (this.#activity.kind === "closed") return "shutdown";
    if (this.#activity.kind === "idle") return "idle";
    if (this.#balancer.ready.length > 0) return "ready";
    const { pool, resolution } = this.#activity;
    if (resolution.kind === "pending") return "connecting";
    if (this.#activity.hold?.kind === "held") return "connecting";
    for (const { state } of pool.subchannels) if (state === "connecting") return "connecting";
    return "transientFailure";
  }

  /** Starts the resolver and the dials, if they are not under way. */
  connect(): void {
    if (this.#activity.kind !== "idle") return;
    const pool = new Pool({
      target: this.target.text,
      connector: this.#connector,
      clock: this.#clock,
      random: this.#random,
      ...this.#poolOptions,
      changed: (isMore) => this.#changed(isMore),
      capacity: () => this.#drainQueue(),
      suspected: () => this.resolveNow(),
    });
    const active: Active = {
      kind: "active",
      pool,
      resolution: { kind: "pending" },
      context: this.#policyContext([]),
      hold: undefined,
      refresh: undefined,
      resolver: undefined,
      idle: undefined,
    };
    this.#activity = active;
    this.#lastUsedAt = this.#clock.now();
    active.idle = this.#watchIdleness(this.#idleTimeoutMs);
    try {
      const context = { clock: this.#clock, random: this.#random };
      active.resolver = this.#resolverFactory(this.target, (update) => this.#resolved(active, update), context);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      this.#resolved(active, { kind: "notFound", error });
    }
    if (this.#activity !== active) active.resolver?.close();
  }

  /** Resolves when an RPC would find a ready connection; rejects with the `StatusError` it would fail with. */
  ready(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pick({ path: "" }, { picked: () => resolve(), failed: reject }, signal);
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
    if (result.kind === "complete") handler.picked(this.#take(result.candidate));
    else if (result.kind === "queue" || (result.kind === "fail" && (this.#dialStale() || this.#waitForReady))) {
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
    this.#balancer.clear();
    this.#isHopeful = true;
    idle?.cancel();
    if (hold?.kind === "held") hold.timer.cancel();
    refresh?.cancel();
    resolver?.close();
  }

  #watchIdleness(afterMs: number): Timer | undefined {
    if (this.#idleTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
    return this.#clock.setTimeout(() => {
      const active = this.#activity;
      if (active.kind !== "active") return;
      const { pool } = active;
      // those that are not picked now, being suspect or unhealthy, may carry streams as well
      const open = [...pool.subchannels, ...pool.draining];
      const busy = this.#queue.length > 0 || open.some(({ inFlight }) => inFlight > 0);
      const left = busy ? this.#idleTimeoutMs : this.#lastUsedAt + this.#idleTimeoutMs - this.#clock.now();
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
      active.resolution = { kind: "known", size: update.endpoints.length, error: undefined };
      const endpoints = usableEndpoints(update.endpoints);
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

  /** Publishes the picker that fits, and offers it to the RPCs that wait. */
  #changed(isMore = false): void {
    const active = this.#activity;
    if (active.kind !== "active") return;
    if (isMore && this.#balancer.ready.length >= manyReady) {
      // a picker for each of thousands that become ready would cost more than the dials
      active.refresh ??= this.#clock.setTimeout(() => this.#refresh(active), refreshMs);
    } else this.#refresh(active);
  }

  #refresh(active: Active): void {
    active.refresh?.cancel();
    active.refresh = undefined;
    const [first, ...rest] = active.pool.ready;
    if (first === undefined) {
      this.#balancer.clear();
      if (active.hold?.kind === "held") active.hold.timer.cancel();
      active.hold = undefined;
    } else if (!this.#isHeld(active, [first, ...rest])) this.#balancer.update([first, ...rest], active.context);
    this.#isHopeful = this.state === "connecting";
    this.#drainQueue();
  }

  /**
   * Whether RPCs wait for more to become ready, so that the first one does not get all of them: until half of the set
   * is, and as long again as the first took at most.
   */
  #isHeld(active: Active, ready: readonly [Subchannel, ...Subchannel[]]): boolean {
    if (active.hold?.kind === "over" || this.#balancer.ready.length > 0) return false;
    const subchannels = [...active.pool.subchannels];
    const isEnough = 2 * ready.length >= subchannels.length || !subchannels.some(({ state }) => state === "connecting");
    const holdMs = Math.min(ready[0].dialMs, maxHoldMs);
    if (isEnough || holdMs === 0) {
      if (active.hold?.kind === "held") active.hold.timer.cancel();
      active.hold = { kind: "over" };
      return false;
    }
    if (active.hold === undefined) {
      const over = (): void => {
        active.hold = { kind: "over" };
        this.#changed();
      };
      active.hold = { kind: "held", timer: this.#clock.setTimeout(over, holdMs) };
    }
    return true;
  }

  #drainQueue(): void {
    this.#queue.drain((info): QueueResult | undefined => {
      if (this.#balancer.ready.length > 0 && !this.#balancer.makeRoom()) return undefined;
      const result = this.#pick(info);
      if (result.kind === "complete") return { kind: "complete", connection: this.#take(result.candidate) };
      return result.kind === "fail" && this.#waitForReady ? queue : result;
    });
  }

  #pick(info: PickInfo): PickResult<Subchannel> {
    if (this.#balancer.ready.length > 0) return this.#balancer.pick(info);
    return this.#isHopeful ? queue : { kind: "fail", error: this.#unavailable() };
  }

  /** The connection of a subchannel that has room. */
  #take(subchannel: Subchannel): Connection {
    const connection = subchannel.roomy as Connection;
    if (!this.#picked.has(connection)) {
      this.#picked.set(connection, { subchannel, counts: { attempts: 0, failed: 0 } });
    }
    return connection;
  }

  #policyContext(endpoints: readonly Endpoint[]): PolicyContext {
    return { clock: this.#clock, random: this.#random, endpoints, weightOf: ({ endpoint }) => endpoint.weight };
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
  /** Whether the first that is ready waits for others; `undefined` while none is. */
  hold: { readonly kind: "held"; readonly timer: Timer } | { readonly kind: "over" } | undefined;
  /** Until what became ready meanwhile is picked as well. */
  refresh: Timer | undefined;
  /** Undefined while the factory runs. */
  resolver: Resolver | undefined;
  idle: Timer | undefined;
}

const queue = { kind: "queue" } as const;
