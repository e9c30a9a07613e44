import type { Clock, Timer } from "../clock.ts";
import type { Connection, Connector } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { Random } from "../random.ts";
import { DialLimiter } from "./dial-limiter.ts";
import { Member, type MemberContext } from "./member.ts";
import { reconcile } from "./reconcile.ts";

/** Dials under way at a time, so that a large set does not exhaust file descriptors. */
const maxDials = 32;
/** An RPC that finds nothing ready dials an endpoint whose last dial is this old, in milliseconds. */
const staleDialMs = 1_000;

export interface PoolOptions {
  readonly target: string;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly random: Random;
  readonly connectTimeoutMs: number;
  /** How long a connection that left the set may finish its streams. */
  readonly drainTimeoutMs: number;
  /** The ready connections, or the states of the others, changed. */
  changed(): void;
  capacity(): void;
  suspected(): void;
}

/** Owns the connections: one to each endpoint of the set. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #context: MemberContext;
  readonly #limiter = new DialLimiter(maxDials);
  readonly #members = new Map<string, Member>();
  /** Connections that finish their streams; those that left the set with the timer that ends them by force. */
  readonly #draining = new Map<Connection, Timer | undefined>();
  /** Members that left the set, until they are closed. */
  readonly #leaving = new Set<Member>();
  #closed = false;
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected } = options;
    this.#context = {
      ...{ target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected },
      limiter: this.#limiter,
      retired: (connection, unwanted) =>
        this.#draining.set(connection, unwanted ? this.#limitDrain(connection) : undefined),
      ended: (connection) => this.#forget(connection),
    };
  }

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  get draining(): Iterable<Connection> {
    return this.#draining.keys();
  }

  /** The members that RPCs may be sent to; those that stay keep their order. Suspects only where all are. */
  get ready(): readonly Member[] {
    const ready = [...this.#members.values()].filter(({ state }) => state === "ready");
    const trusted = ready.filter(({ suspect }) => !suspect);
    return trusted.length > 0 ? trusted : ready;
  }

  /** Makes the members fit the set: dials what is new, then parts with what left it. Does nothing once closed. */
  update(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    const current = new Map([...this.#members].map(([key, member]) => [key, member.endpoint]));
    const { added, updated, removed } = reconcile(current, endpoints);
    for (const { key } of removed) {
      const member = this.#members.get(key);
      if (member !== undefined) this.#leaving.add(member);
      this.#members.delete(key);
    }
    const joining = added.map((endpoint) => new Member(endpoint, this.#context));
    for (const member of joining) this.#members.set(member.endpoint.key, member);
    // the sets are complete from here on, for callbacks that come back or close the pool
    for (const endpoint of updated) this.#members.get(endpoint.key)?.update(endpoint);
    for (const member of joining) member.dial();
    this.#options.changed();
    this.#closeMembers(this.#leaving);
    this.#leaving.clear();
    this.#limitDrains(({ endpoint }) => !this.#members.has(endpoint.key));
  }

  /** Cuts the backoff of endpoints short that were not dialled lately. Returns whether any dials now. */
  dialStale(): boolean {
    let dials = false;
    for (const member of this.#members.values()) dials = member.dialIfOlder(staleDialMs) || dials;
    return dials;
  }

  /** Lets every connection finish its streams. Resolves when the last is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const members = [...this.#members.values(), ...this.#leaving];
    this.#members.clear();
    this.#closeMembers(members);
    this.#limitDrains(() => true);
    if (this.#draining.size === 0) return;
    this.#emptied ??= Promise.withResolvers();
    await this.#emptied.promise;
  }

  /** Ends every connection at once. */
  destroy(reason: Error): void {
    void this.close();
    for (const connection of [...this.#draining.keys()]) connection.destroy(reason);
  }

  #closeMembers(members: Iterable<Member>): void {
    this.#limiter.hold(() => {
      for (const member of members) member.close();
    });
  }

  /** A connection that GOAWAY retired may take the time that its peer allows, but only while its endpoint is wanted. */
  #limitDrains(isUnwanted: (connection: Connection) => boolean): void {
    for (const [connection, timer] of this.#draining) {
      if (timer === undefined && isUnwanted(connection)) this.#draining.set(connection, this.#limitDrain(connection));
    }
  }

  #limitDrain(connection: Connection): Timer {
    const { clock, drainTimeoutMs } = this.#options;
    return clock.setTimeout(() => {
      const message = `${connection.label} is not wanted any more, and its streams did not finish within ${drainTimeoutMs} ms`;
      connection.destroy(new StatusError(StatusCode.unavailable, message));
    }, drainTimeoutMs);
  }

  #forget(connection: Connection): void {
    this.#draining.get(connection)?.cancel();
    this.#draining.delete(connection);
    if (this.#draining.size > 0) return;
    this.#emptied?.resolve();
    this.#emptied = undefined;
  }
}
