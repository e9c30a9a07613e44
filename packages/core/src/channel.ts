import { type Clock, systemClock, type Timer } from "./clock.ts";
import type { Connection, Connector } from "./connection/connection.ts";
import type { ConnectivityState } from "./connection/state.ts";
import { describeEndpoint, usableEndpoints } from "./endpoint/endpoint.ts";
import { messageOf, StatusCode, StatusError } from "./errors.ts";
import { hasSubscribers, publish } from "./events.ts";
import { durationOption } from "./options.ts";
import type { Outcome } from "./outcome/outcome.ts";
import { type PickHandler, PickQueue } from "./picker/pick-queue.ts";
import type { Picker, PickInfo, PickResult } from "./picker/picker.ts";
import { leastRequest } from "./policy/least-request.ts";
import type { Policy } from "./policy/policy.ts";
import { Pool } from "./pool/pool.ts";
import { type Random, systemRandom } from "./random.ts";
import { dns } from "./resolver/dns.ts";
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

/** Makes a channel. Nothing is dialled before the first RPC or `connect()`. Throws a `TypeError` or `RangeError`. */
export function createChannel(options: ChannelOptions): Channel {
  return new Channel(options);
}

/** From target to pick: what the transports share. */
export class Channel {
  readonly target: Target;
  readonly #connector: Connector;
  readonly #resolverFactory: ResolverFactory;
  readonly #policy: Policy;
  readonly #waitForReady: boolean;
  readonly #idleTimeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #poolTimes: { readonly connectTimeoutMs: number; readonly drainTimeoutMs: number };
  readonly #queue: PickQueue<Connection>;
  readonly #totals = { attempts: 0, succeeded: 0, failed: 0 };
  readonly #attempts = new WeakMap<Connection, { attempts: number; failed: number }>();

  #activity: Activity = { kind: "idle" };
  #ready: readonly Connection[] = [];
  /** The last one that the policy made: what it counted carries over. */
  #policyPicker: Picker<Connection> | undefined;
  #picker: Picker<Connection> = queuePicker;
  #lastUsedAt = 0;

  constructor(options: ChannelOptions) {
    this.target = parseTarget(options.target);
    this.#connector = options.connector;
    this.#resolverFactory = options.resolver ?? dns();
    this.#policy = options.policy ?? leastRequest();
    this.#waitForReady = options.waitForReady ?? false;
    this.#idleTimeoutMs = durationOption("idleTimeoutMs", options.idleTimeoutMs ?? 900_000);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#poolTimes = {
      connectTimeoutMs: durationOption("connectTimeoutMs", options.connectTimeoutMs ?? 5_000),
      drainTimeoutMs: durationOption("drainTimeoutMs", options.drainTimeoutMs ?? 30_000),
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
    if (this.#ready.length > 0) return "ready";
    const { pool, resolution } = this.#activity;
    if (resolution.kind === "pending") return "connecting";
    for (const { state } of pool.members) if (state === "connecting") return "connecting";
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
      ...this.#poolTimes,
      changed: () => this.#changed(),
      capacity: () => this.#drainQueue(),
      suspected: () => this.resolveNow(),
    });
    const active: Active = {
      kind: "active",
      pool,
      resolution: { kind: "pending" },
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
  pick(info: PickInfo, handler: PickHandler<Connection>, signal?: AbortSignal): void {
    if (signal?.aborted === true) {
      handler.failed(signal.reason);
      return;
    }
    if (this.#activity.kind === "closed") {
      handler.failed(this.#activity.reason);
      return;
    }
    this.connect();
    this.#lastUsedAt = this.#clock.now();
    const result = this.#pick(info);
    if (result.kind === "complete") handler.picked(result.connection);
    else if (result.kind === "queue" || (result.kind === "fail" && this.#dialStale())) {
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
    const counts = this.#attempts.get(connection) ?? { attempts: 0, failed: 0 };
    counts.attempts++;
    counts.failed += failed;
    this.#attempts.set(connection, counts);
    if (!hasSubscribers("attempt.end")) return;
    const { endpoint, label } = connection;
    publish("attempt.end", { target: this.target.text, endpoint, connection: label, path: info.path, outcome });
  }

  /** Plain JSON: what the channel is made of right now. */
  snapshot(): ChannelSnapshot {
    const active = this.#activity.kind === "active" ? this.#activity : undefined;
    return snapshotOf({
      target: this.target.text,
      state: this.state,
      queued: this.#queue.length,
      totals: this.#totals,
      members: active?.pool.members ?? [],
      draining: active?.pool.draining ?? [],
      attemptsOf: (connection) => this.#attempts.get(connection) ?? { attempts: 0, failed: 0 },
      resolverError: resolutionError(active?.resolution),
    });
  }

  /** Takes no new RPC, fails those that wait, lets the others finish. Resolves when every connection is gone. */
  async close(): Promise<void> {
    await this.#end(new StatusError(StatusCode.unavailable, `the channel to ${this.target.text} is closed`));
  }

  /** Ends every RPC and every connection at once. */
  destroy(error?: Error): void {
    const reason = error ?? new StatusError(StatusCode.unavailable, `the channel to ${this.target.text} was destroyed`);
    const pool = this.#activity.kind === "active" || this.#activity.kind === "closed" ? this.#activity.pool : undefined;
    void this.#end(reason);
    pool?.destroy(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(reason: Error): Promise<void> {
    const before = this.#activity;
    if (before.kind !== "closed") this.#activity = { kind: "closed", reason, pool: this.#stop() };
    this.#queue.failAll(reason);
    const pool = this.#activity.kind === "closed" ? this.#activity.pool : undefined;
    if (pool === undefined) return;
    // whoever awaits this is to live to see it, though sockets are unref'd
    const keepAlive = this.#clock.setTimeout(() => {}, Number.POSITIVE_INFINITY, { ref: true });
    await pool.close();
    keepAlive.cancel();
  }

  /** Stops resolver and timers, and hands out the pool, which the caller closes. */
  #stop(): Pool | undefined {
    if (this.#activity.kind !== "active") return undefined;
    const { pool, resolver, idle } = this.#activity;
    this.#activity = { kind: "idle" };
    resolver?.close();
    idle?.cancel();
    this.#ready = [];
    this.#picker = queuePicker;
    return pool;
  }

  #watchIdleness(afterMs: number): Timer | undefined {
    if (this.#idleTimeoutMs === Number.POSITIVE_INFINITY) return undefined;
    return this.#clock.setTimeout(() => {
      if (this.#activity.kind !== "active") return;
      const { pool } = this.#activity;
      const busy = this.#queue.length > 0 || [...this.#ready, ...pool.draining].some(({ inFlight }) => inFlight > 0);
      const left = busy ? this.#idleTimeoutMs : this.#lastUsedAt + this.#idleTimeoutMs - this.#clock.now();
      if (left > 0) this.#activity.idle = this.#watchIdleness(left);
      else void this.#stop()?.close();
    }, afterMs);
  }

  #resolved(active: Active, update: ResolverUpdate): void {
    if (this.#activity !== active) return;
    publish("resolver.update", { target: this.target.text, update });
    if (update.kind === "endpoints") {
      active.resolution = { kind: "known", size: update.endpoints.length, error: undefined };
      active.pool.update(usableEndpoints(update.endpoints));
    } else if (update.kind === "notFound") {
      active.resolution = { kind: "failed", error: update.error };
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
  #changed(): void {
    if (this.#activity.kind !== "active") return;
    const [first, ...rest] = this.#activity.pool.ready;
    if (first === undefined) {
      this.#ready = [];
      this.#picker = this.state === "connecting" ? queuePicker : failPicker(() => this.#unavailable());
    } else {
      const before = this.#ready;
      const candidates = [first, ...rest] as const;
      this.#ready = candidates;
      const same = candidates.length === before.length && candidates.every((each, index) => each === before[index]);
      if (!same || this.#policyPicker === undefined)
        this.#policyPicker = this.#policy(this.#policyPicker, [...candidates]);
      this.#picker = this.#policyPicker;
    }
    this.#drainQueue();
  }

  #drainQueue(): void {
    if (this.#queue.length > 0) this.#queue.drain((info) => this.#pick(info));
  }

  /** The policy's choice, or when that connection is full the next one that is not. */
  #pick(info: PickInfo): PickResult<Connection> {
    const result = this.#picker.pick(info);
    if (result.kind === "fail" && this.#waitForReady) return queue;
    if (result.kind !== "complete" || hasRoom(result.connection)) return result;
    const ready = this.#ready;
    const start = ready.indexOf(result.connection);
    for (let step = 1; step < ready.length; step++) {
      const connection = ready[(start + step) % ready.length];
      if (connection !== undefined && hasRoom(connection)) return { kind: "complete", connection };
    }
    return queue;
  }

  #dialStale(): boolean {
    if (this.#activity.kind !== "active" || !this.#activity.pool.dialStale()) return false;
    this.#changed();
    return true;
  }

  #unavailable(): StatusError {
    const cause = this.#lastError();
    const options = cause === undefined ? undefined : { cause };
    return new StatusError(StatusCode.unavailable, this.#describe(), options);
  }

  /** Why there is no connection. */
  #describe(): string {
    const { text } = this.target;
    if (this.#activity.kind !== "active") return `${text}: not connected`;
    const { resolution, pool } = this.#activity;
    if (resolution.kind === "pending") return `${text}: its endpoints are not known yet`;
    if (resolution.kind === "failed")
      return `${text}: its endpoints could not be learnt: ${messageOf(resolution.error)}`;
    const members = [...pool.members];
    const stale = resolution.error === undefined ? "" : ` (and the resolver fails: ${messageOf(resolution.error)})`;
    if (members.length === 0) {
      const found = resolution.size === 0 ? "it has no endpoints" : `none of its ${resolution.size} endpoints is ready`;
      return `${text}: ${found}${stale}`;
    }
    if (this.#ready.length > 0) {
      return `${text}: all ${this.#ready.length} connections are at their limit of concurrent streams${stale}`;
    }
    const failed = members.findLast(({ lastError }) => lastError !== undefined);
    const last =
      failed?.lastError === undefined ? "none was dialled yet" : `last error: ${messageOf(failed.lastError)}`;
    const names = members.slice(0, 3).map(({ endpoint }) => describeEndpoint(endpoint));
    const more = members.length > 3 ? ` and ${members.length - 3} more` : "";
    return `${text}: no connection to any of ${names.join(", ")}${more} is ready; ${last}${stale}`;
  }

  #lastError(): Error | undefined {
    if (this.#activity.kind !== "active") return undefined;
    const { resolution, pool } = this.#activity;
    return [...pool.members].findLast(({ lastError }) => lastError)?.lastError ?? resolutionError(resolution);
  }
}

type Activity =
  | { readonly kind: "idle" }
  | Active
  | { readonly kind: "closed"; readonly reason: Error; readonly pool: Pool | undefined };

interface Active {
  readonly kind: "active";
  readonly pool: Pool;
  resolution: Resolution;
  /** Undefined while the factory runs. */
  resolver: Resolver | undefined;
  idle: Timer | undefined;
}

/** What the resolver last said. */
type Resolution =
  | { readonly kind: "pending" }
  | { readonly kind: "known"; readonly size: number; readonly error: Error | undefined }
  | { readonly kind: "failed"; readonly error: Error };

function resolutionError(resolution: Resolution | undefined): Error | undefined {
  return resolution === undefined || resolution.kind === "pending" ? undefined : resolution.error;
}

const queue = { kind: "queue" } as const;
const queuePicker: Picker<Connection> = { pick: () => queue };
const failPicker = (error: () => Error): Picker<Connection> => ({ pick: () => ({ kind: "fail", error: error() }) });

function hasRoom(connection: Connection): boolean {
  return connection.inFlight < connection.maxStreams;
}
